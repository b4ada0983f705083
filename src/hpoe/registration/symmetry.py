"""Which classes a transform turns into something unknown, judged by the edges of their images."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hpoe.registration.outliers import TRANSFORMS, Transform
from hpoe.registration.source import Images, Source
from hpoe_recognition.edge_density import EdgeDensities
from hpoe_recognition.normalization import unit_interval

PER_CLASS = 50
"""Images of a class on which a transform is tried."""
MOST = 3000
"""Images of all classes, if that is fewer."""
STILL_KNOWN = 1 / 3
"""A transform keeps a class known if the edges' median score is this share of what it was."""


def asymmetric(
    source: Source, edges: EdgeDensities, given: Callable[[Images], Images]
) -> Mapping[str, NDArray[np.int64]]:
    """Return, by transform, the classes of which the transformed images are like no class's.

    A mirrored 8 is an 8, and a 6 turned by a half is a 9: neither is an outlier.

    Args:
        source: images of all classes.
        edges: their usual edges.
        given: prepares images for the edge densities.
    """
    n_classes = len(edges.means)
    count = max(1, min(PER_CLASS, MOST // n_classes))
    some = [np.flatnonzero(source.positions == at)[:count] for at in range(n_classes)]

    def usual(transform: Transform) -> list[float]:
        figures = (transform(source.picture(at), source.rng) for at in np.concatenate(some))
        images = given(np.stack([source.placed(figure) for figure in figures]))
        best = edges.best(unit_interval(images).reshape(images.shape))
        return _medians(best, [len(each) for each in some])

    before = usual(lambda picture, _: picture)
    return {
        name: np.flatnonzero(
            [a < STILL_KNOWN * max(b, 0) for a, b in zip(usual(transform), before, strict=True)]
        )
        for name, transform in TRANSFORMS.items()
    }


def _medians(values: NDArray[np.float32], counts: Sequence[int]) -> list[float]:
    """Return the median of each of some consecutive parts; infinity for an empty one."""
    parts = np.split(values, np.cumsum(counts)[:-1])
    return [float(np.median(part)) if len(part) else np.inf for part in parts]
