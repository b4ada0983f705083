"""BernoulliRBM: one restricted Boltzmann machine with scikit-learn's interface.

Shapes: N samples, V features (visible units), H components (hidden units).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from torch import Tensor

from hpoe.estimators.density import DensityModel
from hpoe.estimators.parameters import check_parameters, recipe_of
from hpoe.estimators.progress import shown
from hpoe.estimators.threads import threads, useful_threads
from hpoe.estimators.validation import validated
from hpoe.method.fitting import train_epochs
from hpoe.method.gibbs import GibbsDivergence
from hpoe.method.randomness import generator
from hpoe.method.rbm import (
    RBM,
    ContrastiveDivergence,
    EpochCurves,
    TrainingState,
    initial_state,
    measure,
)
from hpoe.method.recipe import Recipe
from hpoe.method.units import VisibleUnits

CURVE_SAMPLE = 250
"""Samples of each set with which a point of the curves is measured."""


class BernoulliRBM(DensityModel):
    """Restricted Boltzmann machine with binary hidden units, trained by Gibbs sampling.

    It can stand in for `sklearn.neural_network.BernoulliRBM`, whose parameters and attributes have
    the same names here.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float, default=0.1
        Rate of the updates, for gradients averaged over a minibatch.
    batch_size : int, default=10
        Samples per minibatch.
    n_iter : int, default=10
        Passes over the training data.
    learning_rate_schedule : {"constant", "constant_then_linear"}, default="constant"
        Constant, or constant for the first half of the updates and then linear to 0.
    momentum : float in [0, 1), default=0.0
        Share of the last update that is added to the next one, after the first 50 updates.
    weight_decay : float in [0, 1], default=0.0
        Coefficient of the L2 penalty on the weights.
    visible_units : {"bernoulli", "gaussian"}, default="bernoulli"
        Bernoulli units take values in [0, 1] as probabilities, as the paper does. Gaussian units
        have variance 1: standardise the features.
    n_gibbs_steps : int, default=1
        Gibbs steps between the data and the reconstructions: k of CD-k.
    persistent : bool, default=True
        Go on from the last minibatch's chains (stochastic maximum likelihood), as scikit-learn's
        estimator does. False starts from the data (CD-k, as the paper does), which takes larger
        steps: momentum and higher rates serve it well, while chains must keep up with the updates.
    max_free_energy_gap : float or None, default=None
        Stop when the mean log likelihood of the training data exceeds that of `X_valid` by more
        than this; nats per sample. None never stops early.
    warm_start : bool, default=False
        Whether `fit` goes on training for `n_iter` more passes rather than starting anew.
    device : str, default="cpu"
        PyTorch's name of the device to train on, such as "cuda".
    verbose : int, default=0
        Whether to show a progress bar.
    random_state : int, RandomState instance or None, default=None
        Determines weights, hidden states and samples.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features), float32
        Weights.
    intercept_hidden_ : ndarray of shape (n_components,), float32
        Biases of the hidden units.
    intercept_visible_ : ndarray of shape (n_features,), float32
        Biases of the visible units.
    history_ : dict of str to list of float
        One value per pass over the data: `reconstruction_error`, squared and per sample (under
        persistent chains, whose states do not reconstruct the data, the distance from the chains),
        `goodness_train` and `goodness_valid`, means of minus the free energy in nats, and
        `free_energy_gap`, their difference, in which the partition function cancels.
    n_iter_ : int
        Number of passes made.
    h_samples_ : ndarray of shape (batch_size, n_components), float32
        Hidden states of the persistent chains; only where `persistent` is true.
    base_intercept_ : ndarray of shape (n_features,), float32
        Biases of independent visible units with the data's means: where training starts, and the
        base of annealed importance sampling.
    n_features_in_ : int
        Number of features.

    References
    ----------
    G. Mayraz and G. E. Hinton (2002), "Recognizing Handwritten Digits Using Hierarchical Products
    of Experts"; G. E. Hinton (2010), "A Practical Guide to Training Restricted Boltzmann Machines".

    Examples
    --------
    >>> import numpy as np
    >>> from hpoe import BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> rbm = BernoulliRBM(n_components=2, random_state=0).fit(X)
    >>> rbm.transform(X).shape
    (4, 2)
    >>> log_p = rbm.score(X) - float(rbm.log_partition())
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        learning_rate_schedule: Literal["constant", "constant_then_linear"] = "constant",
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        visible_units: Literal["bernoulli", "gaussian"] = "bernoulli",
        n_gibbs_steps: int = 1,
        persistent: bool = True,
        max_free_energy_gap: float | None = None,
        warm_start: bool = False,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.visible_units = visible_units
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.max_free_energy_gap = max_free_energy_gap
        self.warm_start = warm_start
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    # Training

    def fit(self, X: ArrayLike, y: object = None, *, X_valid: ArrayLike | None = None) -> Self:
        """Train on samples X of shape (n_samples, n_features).

        Ctrl-C stops the training and leaves a model of the updates made so far.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; in [0, 1] for Bernoulli units.
        y : ignored
            There by convention.
        X_valid : array-like of shape (n_valid, n_features), optional
            Held-out data for the curves and for stopping early.

        Raises
        ------
        ValueError
            If data cannot be used, or training diverges.
        """
        check_parameters(self)
        continued = self.warm_start and hasattr(self, "components_")
        data = torch.from_numpy(validated(self, X, self.visible_units, reset=not continued))
        if self.max_free_energy_gap is not None and X_valid is None:
            raise ValueError("max_free_energy_gap is set: give held-out samples as X_valid")
        if not continued:
            self._start(data)
        held_out = None if X_valid is None else self._checked(X_valid)
        try:
            self._train(data, held_out, self.n_iter, self.learning_rate_schedule)
        except KeyboardInterrupt:
            warnings.warn("training interrupted by the user", ConvergenceWarning, stacklevel=2)
        return self

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train one pass over samples X, in minibatches, with a constant learning rate.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; in [0, 1] for Bernoulli units.
        y : ignored
            There by convention.
        """
        check_parameters(self)
        first = not hasattr(self, "components_")
        data = torch.from_numpy(validated(self, X, self.visible_units, reset=first))
        if first:
            self._start(data)
        self._train(data, None, 1, "constant")
        return self

    def _start(self, data: Tensor) -> None:
        """Draw weights; start the visible biases from the data's means (Hinton 2010, section 8)."""
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        recipe = recipe_of(self, (self.n_components,), 0)
        state = initial_state(recipe, 1, data.shape[1], self._generators("weights"))
        self.base_intercept_ = self._units.natural(data.mean(dim=0)).numpy()
        state.rbm.visible_biases.copy_(torch.from_numpy(self.base_intercept_))
        self._keep(state)
        self.history_: dict[str, list[float]] = {}
        self.__dict__.pop("h_samples_", None)

    def _train(
        self,
        data: Tensor,
        held_out: Tensor | None,
        n_iter: int,
        learning_rate_schedule: Literal["constant", "constant_then_linear"],
    ) -> None:
        recipe = replace(
            recipe_of(self, (self.n_components,), self.n_iter_ + n_iter),
            learning_rate_schedule=learning_rate_schedule,
        )
        data = data.to(self.device)
        held_out = None if held_out is None else held_out[:CURVE_SAMPLE].to(self.device)
        rbm, increments = (part.to(self.device) for part in (self._rbm, self._increments))
        state = TrainingState(rbm, increments, self.n_iter_)
        size = self.batch_size * rbm.weights.numel()
        try:
            with threads(useful_threads(size)), self._divergence(state, recipe) as divergence:
                epochs = train_epochs(divergence, state, recipe, data, self._generators)
                for error in shown(epochs, n_iter, "pass", self.verbose):
                    self._add_point(measured(state.rbm, self._units, error, data, held_out))
                    if self._gap_is_reached():
                        break
        finally:
            self._keep(state)

    @contextmanager
    def _divergence(self, state: TrainingState, recipe: Recipe) -> Iterator[ContrastiveDivergence]:
        """Make the kernel that these parameters ask for; keep the states of persistent chains."""
        plain = self.visible_units == "bernoulli" and self.n_gibbs_steps == 1
        if plain and not self.persistent:
            yield ContrastiveDivergence(state, recipe)
            return
        chains = self._chains().to(self.device) if self.persistent else None
        yield GibbsDivergence(state, recipe, self._units, steps=self.n_gibbs_steps, chains=chains)
        if chains is not None:
            self.h_samples_ = chains.cpu().numpy()

    def _chains(self) -> Tensor:
        """The chains' hidden states, where training left them if there are as many."""
        last = getattr(self, "h_samples_", None)
        if last is None or len(last) != self.batch_size:
            return torch.zeros(self.batch_size, len(self.components_))
        return torch.from_numpy(last)

    def _add_point(self, point: dict[str, float]) -> None:
        if not np.isfinite(list(point.values())).all():
            raise ValueError(
                f"training diverged in pass {self.n_iter_ + 1}: lower learning_rate or "
                "weight_decay, or standardise the features of Gaussian units"
            )
        for name, value in point.items():
            self.history_.setdefault(name, []).append(value)

    def _gap_is_reached(self) -> bool:
        gap = self.history_.get("free_energy_gap")
        return self.max_free_energy_gap is not None and gap[-1] > self.max_free_energy_gap  # type: ignore[index]

    def _generators(self, purpose: str, epoch: int = 0) -> np.random.Generator:
        return generator(self._seed, type(self).__name__, 1, 0, purpose, epoch)

    def _keep(self, state: TrainingState) -> None:
        """Make the state of training the attributes of the estimator."""
        rbm = state.rbm.to("cpu")
        self.components_ = rbm.weights.t().numpy()
        self.intercept_visible_ = rbm.visible_biases.numpy()
        self.intercept_hidden_ = rbm.hidden_biases.numpy()
        self._increments = state.increments.to("cpu")
        self.n_iter_ = state.epochs


def measured(
    rbm: RBM, units: VisibleUnits, error: float, data: Tensor, held_out: Tensor | None
) -> dict[str, float]:
    """Measure a point of the curves on the first samples of each set."""
    sample = data[:CURVE_SAMPLE]
    point: EpochCurves = measure(rbm, error, sample, sample if held_out is None else held_out)
    train = point.goodness_train + float(units.log_base(sample).mean())
    found = {
        "reconstruction_error": error,
        "goodness_train": train,
        "mean_hidden_activity": point.mean_hidden_activity,
        "weight_norm": point.weight_norm,
    }
    if held_out is not None:
        valid = point.goodness_heldout + float(units.log_base(held_out).mean())
        found |= {"goodness_valid": valid, "free_energy_gap": train - valid}
    return found
