"""Which images the known score is fitted on: all of a few classes, a sample of many.

Scoring an image costs as much as there are classes and pixels, so their product bounds the number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpoe.data.split import ClassImages
from hpoe.registration.source import Images

MOST = 15_000
"""Images, of all kinds together."""
LEAST, LEAST_PER_CLASS = 4_000, 8
"""So many are used however large their number of classes and pixels."""
LEAST_PIXELS = 28 * 28
"""Smaller images are not scored much faster."""
WORK = MOST * 10 * LEAST_PIXELS
"""Images times classes times pixels: what ten classes of MNIST's size use."""
HELD_OUT, KNOWN, REDRAWN, OUTLIERS = 0.2, 0.25, 0.1, 0.45
"""Shares of these images; twice as many refuse no more of unseen kinds (benchmarks/unseen.py)."""


@dataclass(frozen=True)
class Chosen:
    """Images [N, R, C] and the positions of their classes [N]."""

    images: Images
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Sample:
    """The images that the known score is fitted on."""

    fit: Chosen
    """Of the supervised set's first half: outliers are made from them."""
    redrawn: Chosen
    """Those of `fit` that are also used redrawn."""
    held_out: Chosen
    """Of the supervised set's second half, which sets the threshold."""
    outliers: int
    """The most outliers of all kinds together."""


def sample(classes: Sequence[ClassImages]) -> Sample:
    """Choose images of all classes, the first of each, as evenly as their numbers allow.

    None is unsupervised: RBMs know the images that they were trained on too well.
    """
    pixels = max(LEAST_PIXELS, int(np.prod(classes[0].fit.shape[1:])))
    most = WORK // (len(classes) * pixels)
    most = min(MOST, max(most, LEAST, LEAST_PER_CLASS * len(classes)))
    fit = [each.fit for each in classes]
    return Sample(
        fit=_first(fit, KNOWN * most),
        redrawn=_first(fit, REDRAWN * most),
        held_out=_first([each.validation for each in classes], HELD_OUT * most),
        outliers=int(OUTLIERS * most),
    )


def _first(classes: Sequence[Images], most: float) -> Chosen:
    """Take the same number of images of each class, or all that it has; at most so many in all."""
    counts = np.array([len(images) for images in classes])
    each = max(n for n in range(counts.max() + 1) if np.minimum(counts, n).sum() <= most)
    taken = [images[:each] for images in classes]
    positions = np.repeat(np.arange(len(classes)), [len(images) for images in taken])
    return Chosen(np.concatenate(taken), positions)
