"""Predictions of classifiers that compute log probabilities.

Shapes: N samples, C classes.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin


class LogProbabilityClassifier(ClassifierMixin):  # type: ignore[misc]
    """Probabilities and labels from `predict_log_proba`."""

    classes_: NDArray[Any]

    @abstractmethod
    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the log probabilities of the classes, ndarray of shape (n_samples, n_classes)."""

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the probabilities of the classes, ndarray of shape (n_samples, n_classes)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each sample, ndarray of shape (n_samples,)."""
        positions = self.predict_log_proba(X).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[positions]
        return chosen
