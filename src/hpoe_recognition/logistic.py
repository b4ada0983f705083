"""The logistic net: normalised goodness in, class probabilities out (section 4, eq. 8).

Shapes: N images, M scores (30 for ten digits of three layers), C classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LogisticNet:
    """Weights [M, C] and biases [C] that act on the raw scores: 310 parameters in the paper."""

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]

    def log_probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log p_j = log softmax(bias_j + sum_m g_m w_mj), [N, M] to [N, C] (eq. 8)."""
        x = scores @ self.weights + self.biases
        x -= x.max(axis=1, keepdims=True)
        result: NDArray[np.float64] = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        return result
