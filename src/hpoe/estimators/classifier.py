"""HierarchicalExpertsClassifier: the paper's classifier in memory, with scikit-learn's interface.

Shapes: N samples, V features, C classes, L layers, M = C x L models (classes, then layers).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from hpoe.estimators.known import Typical
from hpoe.estimators.persistence import load, save
from hpoe.estimators.progress import shown
from hpoe.estimators.training import TrainingSet, divided, train_class
from hpoe.estimators.validation import (
    Floats,
    SparseInputMixin,
    check_parameters,
    labelled_samples,
    validated,
)
from hpoe.method.classifier import fit as fit_net
from hpoe.method.classifier import logistic_regression
from hpoe.method.recipe import Recipe
from hpoe_recognition.networks import Layer, Network

if TYPE_CHECKING:
    from mlflow.pyfunc.model import PythonModel

ROWS_AT_ONCE = 1000
"""Samples scored at once."""
INVERSE_REGULARISATIONS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidates for C of the logistic net; the best on half of the supervised samples is used."""


class HierarchicalExpertsClassifier(SparseInputMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
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
        self.network_ = Network(self._trained(sets), "as_given")
        self.classes_ = labels
        self._supervised = [part.supervised for part in sets]
        self._fit_net()
        return self

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
        if np.asarray(label).dtype.kind != self.classes_.dtype.kind:
            raise ValueError(f"label is {label!r}: give one like {self.classes_.tolist()[0]!r}")
        if label in self.classes_:
            raise ValueError(f"the model has a class {label!r}: use replace_class")
        data = self._divided(validated(self, X, self.visible_units, reset=False), label)
        at = int(np.searchsorted(self.classes_, label))
        self.network_ = self._changed(
            lambda kept, new: np.insert(kept, at, new[0], axis=0), self._trained([data])
        )
        kept = self.classes_.tolist()
        self.classes_ = np.array([*kept[:at], label, *kept[at:]])
        self._supervised.insert(at, data.supervised)
        self._fit_net()
        return self

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
        chosen = np.arange(len(self.classes_)) == at
        self.network_ = self._changed(
            lambda kept, new: np.where(chosen.reshape(-1, *[1] * (kept.ndim - 1)), new, kept),
            self._trained([data]),
        )
        self._supervised[at] = data.supervised
        self._fit_net()
        return self

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
        self.network_ = self._changed(
            lambda kept, _: np.delete(kept, at, axis=0), self.network_.layers
        )
        self.classes_ = np.delete(self.classes_, at)
        del self._supervised[at]
        self._fit_net()
        return self

    def _divided(self, X: Floats, label: object) -> TrainingSet:
        return divided(X, str(label), self.supervised_fraction, self._seed)

    def _trained(self, sets: Sequence[TrainingSet]) -> tuple[Layer, ...]:
        """Train the classes of some training sets; return their layers, stacked by class."""
        train = partial(
            train_class,
            self._recipe(),
            self.min_updates,
            self.visible_units,
            self._seed,
            self.device,
        )
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator")
        done = parallel(delayed(train)(part) for part in sets)
        classes = list(shown(done, len(sets), "class", self.verbose))
        return tuple(
            Layer(*map(np.stack, zip(*layer, strict=True))) for layer in zip(*classes, strict=True)
        )

    def _changed(
        self, change: Callable[[Floats, Floats], Floats], others: Sequence[Layer]
    ) -> Network:
        """Change each array of the layers [C, ...], given that of `others`; a new network."""
        pairs = zip(self.network_.layers, others, strict=True)
        layers = (
            Layer(*map(change, vars(layer).values(), vars(other).values()))
            for layer, other in pairs
        )
        return Network(tuple(layers), "as_given")

    def _recipe(self) -> Recipe:
        return Recipe(
            images="as_given",
            units=tuple(self.hidden_units),
            epochs=self.n_iter,
            minibatch_size=self.batch_size,
            learning_rate=self.learning_rate,
            learning_rate_schedule=self.learning_rate_schedule,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            momentum_start=50,
            initial_standard_deviation=0.01,
        )

    def _fit_net(self) -> None:
        """Fit the logistic net and the refusal on the supervised samples."""
        scores = self._scores(np.concatenate(self._supervised))
        labels = np.repeat(np.arange(len(self.classes_)), [len(X) for X in self._supervised])
        if min(len(X) for X in self._supervised) < 2:
            ((_, self.net_),) = logistic_regression(scores, labels, [1.0])
        else:  # alternate rows, so that both halves have all classes
            halves = [(scores[start::2], labels[start::2]) for start in (0, 1)]
            self.net_ = fit_net(logistic_regression, INVERSE_REGULARISATIONS, *halves).net
        chosen = self.net_.log_probabilities(scores).argmax(axis=1)
        self.typical_ = Typical.fitted(scores, labels, chosen, self.refused_fraction)

    # Files

    def save(self, path: str | Path) -> None:
        """Write the model as safetensors, from which `load` makes it again; nothing is pickled.

        Labels must be text, integers or booleans.

        Parameters
        ----------
        path : str or path
            File to write; an existing one is replaced once the new one is whole.
        """
        check_is_fitted(self)
        save(Path(path), self)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote.

        Parameters
        ----------
        path : str or path
            File to read.

        Raises
        ------
        hpoe.errors.WeightsError
            If the file is missing, damaged or no such model.
        """
        return load(cls(), Path(path))

    def to_pyfunc(self) -> "PythonModel":
        """Return the model as an MLflow pyfunc, which predicts label and probability of each row.

        `log_model` logs it without pickling it.
        """
        from hpoe.estimators.pyfunc import ClassifierModel

        return ClassifierModel(self)

    def log_model(self, name: str, **options: Any) -> Any:  # noqa: ANN401
        """Log the model to the active MLflow run, as a pyfunc with its code and its safetensors.

        Parameters
        ----------
        name : str
            The model's name in the run.
        **options
            Passed on to `mlflow.pyfunc.log_model`, such as `registered_model_name`.

        Returns
        -------
        mlflow.models.model.ModelInfo
        """
        from hpoe.estimators.pyfunc import log

        return log(self, name, options)

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
        return self._scores(validated(self, X, self.visible_units, reset=False))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the log probabilities of the classes, ndarray of shape (n_samples, n_classes)."""
        scores = self.goodness(X)
        return self.net_.log_probabilities(scores)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the probabilities of the classes, ndarray of shape (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each sample, ndarray of shape (n_samples,)."""
        positions = self.predict_log_proba(X).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[positions]
        return chosen

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

    def _scores(self, X: Floats) -> NDArray[np.float64]:
        parts = [X[at : at + ROWS_AT_ONCE] for at in range(0, len(X), ROWS_AT_ONCE)]
        scores = np.concatenate([self.network_.goodness(part) for part in parts])
        if self.visible_units == "gaussian":
            squares = np.square(X).sum(axis=1, dtype=np.float64) / 2
            scores[:, :: len(self.network_.layers)] -= squares[:, None]
        return scores

    def _position(self, label: object) -> int:
        check_is_fitted(self)
        (found,) = np.nonzero(self.classes_ == label)
        if not len(found):
            raise ValueError(f"the model has no class {label!r}: it has {self.classes_.tolist()}")
        return int(found[0])
