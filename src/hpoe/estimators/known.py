"""Refusal of samples that look like none of the classes, from the goodness scores alone.

Shapes: N samples, C classes, L layers; scores have one column per class and layer.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Typical:
    """What the goodness of samples of each class is like, under the class's own RBMs."""

    mean: Scores
    """Of each layer, nats [C, L]."""
    deviation: Scores
    """Standard deviation of each layer, nats [C, L]."""
    threshold: float
    """Score below which samples are refused."""

    @classmethod
    def fitted(cls, scores: Scores, labels: Positions, chosen: Positions, refused: float) -> Self:
        """Fit to the scores of labelled samples, a fraction of which is refused."""
        n_classes = labels.max() + 1
        own = [by_class(scores, n_classes)[labels == at, at] for at in range(n_classes)]
        mean = np.stack([each.mean(axis=0) for each in own])
        spread = np.stack([each.std(axis=0) for each in own])
        typical = cls(mean, np.where(spread > 0, spread, 1), 0.0)
        return replace(
            typical, threshold=float(np.quantile(typical.score(scores, chosen), refused))
        )

    def score(self, scores: Scores, chosen: Positions) -> Scores:
        """The least standardised goodness among the layers of the chosen class, [N]."""
        own = by_class(scores, len(self.mean))[np.arange(len(scores)), chosen]
        least: Scores = ((own - self.mean[chosen]) / self.deviation[chosen]).min(axis=1)
        return least


def by_class(scores: Scores, n_classes: int) -> Scores:
    """Scores [N, C * L] as [N, C, L]."""
    return scores.reshape(len(scores), n_classes, -1)
