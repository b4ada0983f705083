"""What can be asked of a trained RBM: features, free energies, likelihoods, samples.

Shapes: N samples, V features (visible units), H components (hidden units).
"""

from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from hpoe.estimators.threads import threads, useful_threads
from hpoe.estimators.validation import Floats, SparseInputMixin, validated
from hpoe.method.gibbs import gibbs_states
from hpoe.method.partition import LogPartition, Method, log_partition
from hpoe.method.products import affine
from hpoe.method.rbm import RBM, goodness, hidden_probabilities
from hpoe.method.units import UNITS, VisibleUnits

ROWS_AT_ONCE = 4096
"""Samples per matrix product."""


class DensityModel(
    SparseInputMixin,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """An RBM with weights and biases, however it was trained."""

    components_: Floats
    intercept_hidden_: Floats
    intercept_visible_: Floats
    base_intercept_: Floats
    visible_units: Literal["bernoulli", "gaussian"]
    random_state: int | np.random.RandomState | None

    def transform(self, X: ArrayLike) -> Floats:
        """Compute the hidden units' probabilities p(h = 1 | v).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_components), float32
        """
        return hidden_probabilities(self._rbm, self._checked(X)).numpy()

    def free_energy(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute F(v), minus the log of the unnormalised probability of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            In nats; minus the paper's goodness. log p(v) = -F(v) - log Z.
        """
        return -self._goodness(self._checked(X)).numpy()

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Estimate the log pseudo-likelihood of each sample, as scikit-learn's BernoulliRBM does.

        One random feature of each sample is flipped, and the log probability of the feature given
        the others is multiplied by the number of features. For Gaussian units, whose features
        cannot be flipped, these are minus the free energies. Log likelihoods are
        `-free_energy(X) - float(log_partition())`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            In nats.
        """
        v = self._checked(X)
        if self.visible_units == "gaussian":
            return self._goodness(v).numpy()
        features = check_random_state(self.random_state).randint(v.shape[1], size=len(v))
        parts = (torch.split(each, ROWS_AT_ONCE) for each in (v, torch.from_numpy(features)))
        pairs = zip(*parts, strict=True)
        return torch.cat([self._pseudo_likelihood(*pair) for pair in pairs]).numpy()

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Return the mean of minus the free energy of samples; nats per sample.

        It is the mean log likelihood but for log Z, which is the same for all data.
        """
        return float(-self.free_energy(X).mean())

    def gibbs(self, v: ArrayLike) -> Floats:
        """Take one Gibbs step from visible states.

        Parameters
        ----------
        v : array-like of shape (n_samples, n_features)
            Where to start.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            Sampled visible states.
        """
        states = gibbs_states(self._rbm, self._units, self._checked(v), self._rng())
        return next(states).numpy()

    def sample(self, n_samples: int = 1, *, n_gibbs_steps: int = 1000) -> Floats:
        """Draw samples, each by a chain of its own that starts from independent features.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.
        n_gibbs_steps : int, default=1000
            Length of the chains, 1 or more.

        Returns
        -------
        ndarray of shape (n_samples, n_features), float32
            Visible states.
        """
        rbm, draws = self._rbm, self._rng()
        base = torch.from_numpy(self.base_intercept_).expand(n_samples, -1)
        states = gibbs_states(rbm, self._units, self._units.sample(base, draws), draws)
        with torch.inference_mode():
            return next(islice(states, n_gibbs_steps - 1, None)).numpy()

    def log_partition(
        self, method: Method = "auto", *, n_chains: int = 64, n_temperatures: int = 2000
    ) -> LogPartition:
        """Compute or estimate log Z, with which free energies become log likelihoods.

        Parameters
        ----------
        method : {"auto", "exact", "ais", "reverse_ais", "bounds"}, default="auto"
            "exact" enumerates the states of the smaller side, of at most 25 units. "ais" anneals
            from the data's base rates and gives a stochastic lower bound. "reverse_ais" anneals
            back, and gives a stochastic upper bound as far as its start, the end of a forward run
            and a long chain from there, is a sample of the model. "bounds" does both. "auto" is
            "exact" up to 16 units, else "ais".
        n_chains : int, default=64
            Annealed chains.
        n_temperatures : int, default=2000
            Steps between the base rates and the model.

        Returns
        -------
        LogPartition
            With `value`, `lower`, `upper` and `effective_sample_size`; `float()` gives the value.

        Raises
        ------
        ValueError
            If the smaller side has too many units for "exact".
        """
        check_is_fitted(self)
        with threads(useful_threads(n_chains * self.components_.size)):
            return log_partition(
                self._rbm,
                self._units,
                torch.from_numpy(self.base_intercept_),
                method,
                chains=n_chains,
                temperatures=n_temperatures,
                rng=self._rng(),
            )

    @property
    def _rbm(self) -> RBM:
        check_is_fitted(self)
        parts = self.components_.T, self.intercept_visible_, self.intercept_hidden_
        return RBM(*map(torch.from_numpy, parts))

    @property
    def _units(self) -> VisibleUnits:
        return UNITS[self.visible_units]

    def _checked(self, X: ArrayLike) -> Tensor:
        check_is_fitted(self)
        return torch.from_numpy(validated(self, X, self.visible_units, reset=False))

    def _goodness(self, v: Tensor) -> Tensor:
        rbm, parts = self._rbm, torch.split(v, ROWS_AT_ONCE)
        return torch.cat([goodness(rbm, part) + self._units.log_base(part) for part in parts])

    def _pseudo_likelihood(self, v: Tensor, features: Tensor) -> Tensor:
        """V log p(v_i | the others), from what flipping feature i adds to the goodness."""
        rbm, rows = self._rbm, torch.arange(len(v))
        step = 1 - 2 * v[rows, features]
        x = affine(v, rbm.weights, rbm.hidden_biases)
        flipped = x + step[:, None] * rbm.weights[features]
        gain = (softplus(flipped) - softplus(x)).sum(dim=1, dtype=torch.float64)
        return v.shape[1] * logsigmoid(-gain - step * rbm.visible_biases[features])

    def _rng(self) -> np.random.Generator:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return np.random.Generator(np.random.SFC64(seed))

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Return scikit-learn's tags: output is float32."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
