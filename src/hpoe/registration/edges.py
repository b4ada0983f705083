"""Fitting the edge densities: one Gaussian per class, shrunk where a class has few images.

Shapes: N images of R rows and C columns, E values in a descriptor.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.edge_density import EdgeDensities, edge_orientations, squared_distances

Floats = NDArray[np.float32]
DIRECTIONS = 20
"""Principal directions of which the variance is kept; the others get the smallest one of these."""
PRIOR = 20
"""Images that the covariance common to all classes counts as, beside a class's own."""
FARTHEST = 0.01
"""Fraction of a class's images that lie beyond its reach."""
LEAST_VARIANCE = 1e-6
"""Of a direction; descriptors have length 1."""


def fit_edges(classes: Sequence[NDArray[np.uint8]]) -> EdgeDensities:
    """Fit a Gaussian to the edges of each class's images [N, R, C]."""
    edges = [edge_orientations(images / np.float32(255)) for images in classes]
    away = [each - each.mean(axis=0) for each in edges]
    covariances = [each.T @ each / len(each) for each in away]
    counts = [len(each) for each in edges]
    common = np.average(covariances, axis=0, weights=counts)
    fitted = [
        _principal((count * own + PRIOR * common) / (count + PRIOR))
        for count, own in zip(counts, covariances, strict=True)
    ]
    directions, variances, others = (np.stack(part) for part in zip(*fitted, strict=True))
    means = np.stack([each.mean(axis=0) for each in edges])
    squared = [
        squared_distances(each, means[at], directions[at], variances[at], others[at])
        for at, each in enumerate(edges)
    ]
    return EdgeDensities(means, directions, variances, others, _reach(squared))


def _principal(covariance: Floats) -> tuple[Floats, Floats, np.float32]:
    """Return principal directions [E, K], their variances [K], and that of all others."""
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, LEAST_VARIANCE).astype(np.float32)
    kept = slice(-DIRECTIONS, None)
    return np.ascontiguousarray(directions[:, kept]), variances[kept], variances[-DIRECTIONS]


def _reach(squared: Sequence[Floats]) -> Floats:
    """Return the distance within which most of each class lie, [D]; few images count less."""
    usual = float(np.log(np.quantile(np.concatenate(squared), 1 - FARTHEST)))
    own = np.log([np.quantile(each, 1 - FARTHEST) for each in squared])
    counts = np.array([len(each) for each in squared])
    log_reach = (counts * own + PRIOR * usual) / (counts + PRIOR)
    return np.exp(log_reach).astype(np.float32)
