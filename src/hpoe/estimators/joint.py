"""JointRBM: one RBM of features and labels together (section 6), with scikit-learn's interface.

Shapes: N samples, V features, C classes.
"""

from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from hpoe.estimators.parameters import check_parameters, recipe_of
from hpoe.estimators.prediction import LogProbabilityClassifier
from hpoe.estimators.threads import threads, useful_threads
from hpoe.estimators.validation import SparseInputMixin, labelled_samples, validated
from hpoe.method.fitting import fit_rbm
from hpoe.method.joint import JointDivergence, clamped_goodness, labelled
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM
from hpoe.method.recipe import Schedule

ROWS_AT_ONCE = 1000
"""Samples scored at once."""


class JointRBM(SparseInputMixin, LogProbabilityClassifier, BaseEstimator):  # type: ignore[misc]
    """Restricted Boltzmann machine with one label unit for each class beside the features.

    Given the features, the probabilities of the classes are exact: the partition function cancels.

    Parameters
    ----------
    n_components : int, default=500
        Number of hidden units.
    n_iter : int, default=30
        Passes over the training data.
    batch_size : int, default=50
        Samples per minibatch.
    learning_rate : float, default=0.1
        Rate of the updates, for gradients averaged over a minibatch.
    learning_rate_schedule : {"constant", "constant_then_linear"}, default="constant_then_linear"
        Constant, or constant for the first half of the updates and then linear to 0.
    momentum : float in [0, 1), default=0.9
        Share of the last update that is added to the next one, after the first 50 updates.
    weight_decay : float in [0, 1], default=0.0001
        Coefficient of the L2 penalty on the weights.
    device : str, default="cpu"
        PyTorch's name of the device to train on, such as "cuda".
    random_state : int, RandomState instance or None, default=None
        Determines the order of the samples, weights and hidden states.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in order.
    n_features_in_ : int
        Number of features.

    References
    ----------
    G. Mayraz and G. E. Hinton (2002), "Recognizing Handwritten Digits Using Hierarchical Products
    of Experts", section 6.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from hpoe import JointRBM
    >>> X, y = load_digits(return_X_y=True)
    >>> model = JointRBM(100, random_state=0).fit(X[:1000] / 16, y[:1000])
    >>> bool(model.score(X[1000:] / 16, y[1000:]) > 0.85)
    True
    """

    def __init__(
        self,
        n_components: int = 500,
        *,
        n_iter: int = 30,
        batch_size: int = 50,
        learning_rate: float = 0.1,
        learning_rate_schedule: Schedule = "constant_then_linear",
        momentum: float = 0.9,
        weight_decay: float = 0.0001,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_iter = n_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on samples X of shape (n_samples, n_features) in [0, 1] and their labels y.

        Raises
        ------
        ValueError
            If data cannot be used.
        """
        check_parameters(self)
        samples, self.classes_, positions = labelled_samples(self, X, y, "bernoulli")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        generators = partial(generator, seed, type(self).__name__, 1, "all")
        order = generators("order").permutation(len(samples))
        labels = torch.from_numpy(positions[order])
        data = labelled(torch.from_numpy(samples[order]), labels, len(self.classes_))
        make = partial(JointDivergence, n_classes=len(self.classes_))
        recipe = recipe_of(self, (self.n_components,), self.n_iter)
        size = self.batch_size * self.n_components * data.shape[1]
        with threads(useful_threads(size)):
            rbm = fit_rbm(recipe, 1, data.to(self.device), generators, make)
        self._rbm: RBM = rbm.to("cpu")
        return self

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the log probabilities of the classes, ndarray of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        v = torch.from_numpy(validated(self, X, "bernoulli", reset=False))
        n_classes = len(self.classes_)
        parts = [
            clamped_goodness(self._rbm, part, n_classes) for part in torch.split(v, ROWS_AT_ONCE)
        ]
        log_p: NDArray[np.float64] = torch.cat(parts).log_softmax(dim=1).numpy()
        return log_p
