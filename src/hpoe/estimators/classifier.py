"""HierarchicalExpertsClassifier: the paper's classifier in memory, with scikit-learn's interface.

Shapes: N samples, V features, C classes, L layers, M = C x L models (classes, then layers).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from hpoe.estimators.known import Typical
from hpoe.estimators.networks import ClassLayers, stacked, with_class, without_class
from hpoe.estimators.parameters import check_parameters, recipe_of
from hpoe.estimators.persistence import SavedClassifier
from hpoe.estimators.prediction import LogProbabilityClassifier
from hpoe.estimators.progress import shown
from hpoe.estimators.training import TrainingSet, divided, train_class
from hpoe.estimators.validation import Floats, SparseInputMixin, labelled_samples, validated
from hpoe.method.classifier import fit as fit_net
from hpoe.method.classifier import logistic_regression
from hpoe_recognition.networks import Network

ROWS_AT_ONCE = 1000
"""Samples scored at once."""
INVERSE_REGULARISATIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidates for C of the logistic net; the best on half of the supervised samples is used."""


class HierarchicalExpertsClassifier(
    SavedClassifier,
    SparseInputMixin,
    LogProbabilityClassifier,
    BaseEstimator,  # type: ignore[misc]
):
    """Classifier with a hierarchy of restricted Boltzmann machines (RBMs) for each class.

    The RBMs of a class are trained on samples of that class alone, each layer on the activities of
    the one below. Every RBM gives a sample one score, its goodness, and a logistic net turns all
    scores into probabilities. Classes can therefore be added, replaced and removed without touching
    the others.

    Parameters
    ----------
    hidden_units : sequence of int, default=(500, 500, 500)
        Hidden units of each layer, from the lowest.
    n_iter : int, default=30
        Passes over a class's training samples, for each layer.
    min_updates : int, default=500
        More passes are made where `n_iter` would update an RBM less often than this: for classes
        of few samples.
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
    visible_units : {"bernoulli", "gaussian"}, default="bernoulli"
        Of the lowest layer. Bernoulli units take values in [0, 1] as probabilities. Gaussian units
        have variance 1: standardise the features.
    supervised_fraction : float in (0, 1), default=0.2
        Share of each class's samples that trains no RBM but the logistic net and the refusal. These
        samples are kept, so that classes can be added.
    refused_fraction : float in [0, 1), default=0.01
        Share of the supervised samples that `is_known` refuses.
    n_jobs : int or None, default=None
        Processes that train classes at the same time; the result does not depend on it.
    device : str, default="cpu"
        PyTorch's name of the device to train on, such as "cuda".
    verbose : int, default=0
        Whether to show a progress bar.
    random_state : int, RandomState instance or None, default=None
        Determines the supervised samples, weights and hidden states. What is drawn for a class
        depends on its label and not on the other classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in order.
    network_ : hpoe_recognition.networks.Network
        The RBMs of all classes.
    net_ : hpoe_recognition.logistic.LogisticNet
        Weights and biases on the scores.
    n_features_in_ : int
        Number of features.

    References
    ----------
    G. Mayraz and G. E. Hinton (2002), "Recognizing Handwritten Digits Using Hierarchical Products
    of Experts".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from hpoe import HierarchicalExpertsClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = HierarchicalExpertsClassifier((50, 50), random_state=0).fit(X[:1000] / 16, y[:1000])
    >>> bool(model.score(X[1000:] / 16, y[1000:]) > 0.9)
    True
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (500, 500, 500),
        *,
        n_iter: int = 30,
        min_updates: int = 500,
        batch_size: int = 50,
        learning_rate: float = 0.1,
        learning_rate_schedule: Literal[
            "constant", "constant_then_linear"
        ] = "constant_then_linear",
        momentum: float = 0.9,
        weight_decay: float = 0.0001,
        visible_units: Literal["bernoulli", "gaussian"] = "bernoulli",
        supervised_fraction: float = 0.2,
        refused_fraction: float = 0.01,
        n_jobs: int | None = None,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_units = hidden_units
        self.n_iter = n_iter
        self.min_updates = min_updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.visible_units = visible_units
        self.supervised_fraction = supervised_fraction
        self.refused_fraction = refused_fraction
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    # Training

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the RBMs of every class, then the logistic net.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; in [0, 1] for Bernoulli units.
        y : array-like of shape (n_samples,)
            Labels: text, integers or booleans.

        Raises
        ------
        ValueError
            If data cannot be used, or training diverges.
        """
        check_parameters(self)
        samples, labels, positions = labelled_samples(self, X, y, self.visible_units)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        sets = [self._divided(samples[positions == at], label) for at, label in enumerate(labels)]
        supervised = [part.supervised for part in sets]
        return self._completed(labels, stacked(self._trained(sets)), supervised)

    def add_class(self, X: ArrayLike, label: Any) -> Self:  # noqa: ANN401
        """Train the RBMs of one more class, and the logistic net; other RBMs stay as they are.

        With an integer `random_state`, the RBMs are those of a `fit` on all classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of the class.
        label : str, int or bool
            Its label, of the kind of the other labels.

        Raises
        ------
        ValueError
            If the class exists, or its samples cannot be used.
        """
        check_is_fitted(self)
        labels = self.classes_.tolist()
        if type(np.asarray(label).item()) is not type(labels[0]):
            raise ValueError(f"label is {label!r}: give one like {labels[0]!r}")
        if label in self.classes_:
            raise ValueError(f"the model has a class {label!r}: use replace_class")
        data = self._divided(validated(self, X, self.visible_units, reset=False), label)
        at = int(np.searchsorted(self.classes_, label))
        kind = object if self.classes_.dtype == object else None  # text as pandas has it
        return self._completed(
            np.array([*labels[:at], label, *labels[at:]], kind),
            with_class(self.network_, at, *self._trained([data])),
            [*self._supervised[:at], data.supervised, *self._supervised[at:]],
        )

    def replace_class(self, X: ArrayLike, label: Any) -> Self:  # noqa: ANN401
        """Train the RBMs of a class anew, and the logistic net; other RBMs stay as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            All samples of the class from now on.
        label : str, int or bool
            Label of the class.

        Raises
        ------
        ValueError
            If there is no such class, or its samples cannot be used.
        """
        at = self._position(label)
        data = self._divided(validated(self, X, self.visible_units, reset=False), self.classes_[at])
        others = without_class(self.network_, at)
        return self._completed(
            self.classes_,
            with_class(others, at, *self._trained([data])),
            [*self._supervised[:at], data.supervised, *self._supervised[at + 1 :]],
        )

    def remove_class(self, label: Any) -> Self:  # noqa: ANN401
        """Forget a class and fit the logistic net again; other RBMs stay as they are.

        Parameters
        ----------
        label : str, int or bool
            Label of the class.

        Raises
        ------
        ValueError
            If there is no such class, or only two are left.
        """
        at = self._position(label)
        if len(self.classes_) == 2:
            raise ValueError("two classes are left: a classifier needs two or more")
        return self._completed(
            np.delete(self.classes_, at),
            without_class(self.network_, at),
            [*self._supervised[:at], *self._supervised[at + 1 :]],
        )

    def _divided(self, X: Floats, label: object) -> TrainingSet:
        return divided(X, str(label), self.supervised_fraction, self._seed)

    def _trained(self, sets: Sequence[TrainingSet]) -> list[ClassLayers]:
        """Train the hierarchies of some classes."""
        train = partial(
            train_class,
            recipe_of(self, self.hidden_units, self.n_iter),
            self.min_updates,
            self.visible_units,
            self._seed,
            self.device,
        )
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator")
        done = parallel(delayed(train)(part) for part in sets)
        return list(shown(done, len(sets), "class", self.verbose))

    def _completed(self, labels: NDArray[Any], network: Network, supervised: list[Floats]) -> Self:
        """Fit the logistic net and the refusal to the supervised samples of each class.

        Only then does all of it become the model, so that Ctrl-C leaves the one before.
        """
        scores = self._scores(network, np.concatenate(supervised))
        positions = np.repeat(np.arange(len(labels)), [len(X) for X in supervised])
        if min(len(X) for X in supervised) < 2:
            ((_, net),) = logistic_regression(scores, positions, [1.0])
        else:  # alternate rows, so that both halves have all classes
            halves = [(scores[start::2], positions[start::2]) for start in (0, 1)]
            net = fit_net(logistic_regression, INVERSE_REGULARISATIONS, *halves).net
        chosen = net.log_probabilities(scores).argmax(axis=1)
        self.typical_ = Typical.fitted(scores, positions, chosen, self.refused_fraction)
        self.classes_, self.network_, self.net_ = labels, network, net
        self._supervised = supervised
        return self

    # Use

    def goodness(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the goodness of samples under every RBM, minus the free energies (section 4).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes * n_layers), float64
            In nats; the layers of the first class, then those of the second.
        """
        check_is_fitted(self)
        return self._scores(self.network_, validated(self, X, self.visible_units, reset=False))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the log probabilities of the classes, ndarray of shape (n_samples, n_classes)."""
        scores = self.goodness(X)
        return self.net_.log_probabilities(scores)

    def known_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score how much samples look like their predicted class, ndarray of shape (n_samples,).

        The least of the layers' goodness, in standard deviations from the mean of the class.
        """
        scores = self.goodness(X)
        return self.typical_.score(scores, self.net_.log_probabilities(scores).argmax(axis=1))

    def is_known(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Say which samples look like any of the classes, ndarray of shape (n_samples,).

        All but `refused_fraction` of the supervised samples do.
        """
        return self.known_score(X) >= self.typical_.threshold

    def _scores(self, network: Network, X: Floats) -> NDArray[np.float64]:
        parts = [X[at : at + ROWS_AT_ONCE] for at in range(0, len(X), ROWS_AT_ONCE)]
        scores = np.concatenate([network.goodness(part) for part in parts])
        if self.visible_units == "gaussian":
            squares = np.square(X).sum(axis=1, dtype=np.float64) / 2
            scores[:, :: len(network.layers)] -= squares[:, None]
        return scores

    def _position(self, label: object) -> int:
        check_is_fitted(self)
        (found,) = np.nonzero(self.classes_ == label)
        if not len(found):
            raise ValueError(f"the model has no class {label!r}: it has {self.classes_.tolist()}")
        return int(found[0])
