"""Model-based normalisation (section 7): each model picks the version of the image it likes best.

Shapes: S versions of an image, N images, M models (one a digit and layer).
"""

import numpy as np
from numpy.typing import NDArray

Offset = tuple[int, int]
SHIFTS: tuple[Offset, ...] = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
"""The paper's five versions: as given, and moved by one pixel (rows down, columns right)."""


def shift(images: NDArray[np.uint8], offset: Offset) -> NDArray[np.uint8]:
    """Images [N, rows, columns] moved by (rows down, columns right), background moving in."""
    moved = np.zeros_like(images)
    target, source = zip(*(_overlap(step) for step in offset), strict=True)
    moved[:, *target] = images[:, *source]
    return moved


def maximum_choice(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's choice: the goodness of the version a model likes best, [S, N, M] to [N, M]."""
    best: NDArray[np.float64] = scores.max(axis=0)
    return best


def soft_choice(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """T log mean_s exp(g_s / T), [S, N, M] to [N, M]; T in nats.

    The paper's maximum is T to 0, the mean of the versions is T to infinity.
    """
    versions = len(scores)
    sums = np.logaddexp.reduce(scores / temperature, axis=0)
    soft: NDArray[np.float64] = temperature * (sums - np.log(versions))
    return soft


def chosen_versions(scores: NDArray[np.float64], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often models like each version best: [2, S] of scores [S, N, M] and `own` [N, M].

    Fractions that sum to one, of the models of an image's own digit, then of the others.
    """
    best = scores.argmax(axis=0)
    counts = [np.bincount(best[models], minlength=len(scores)) for models in (own, ~own)]
    fractions: NDArray[np.float64] = np.stack([count / count.sum() for count in counts])
    return fractions


def _overlap(step: int) -> tuple[slice, slice]:
    """Where the moved pixels go, and where they come from, along one axis."""
    to, of = slice(max(step, 0), min(step, 0) or None), slice(max(-step, 0), min(-step, 0) or None)
    return to, of
