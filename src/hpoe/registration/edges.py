"""Fitting the edge densities: one Gaussian per class, shrunk where a class has few images.

Shapes: N images of R rows and C columns, E values in a descriptor.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.edge_density import (
    NEAREST,
    EdgeDensities,
    edge_orientations,
    squared_distances,
)

Floats = NDArray[np.float32]
DIRECTIONS = 20
"""Principal directions of which the variance is kept; the others get the smallest one of these."""
PRIOR = 20
"""Images that the covariance common to all classes counts as, beside a class's own."""
ENOUGH = 1000
"""Images of a class; more change little."""
FARTHEST = 0.01
"""Fraction of a class's images that lie beyond its reach."""
LEAST_VARIANCE = 1e-6
"""Of a direction; descriptors have length 1."""


def fit_edges(classes: Sequence[NDArray[np.uint8]]) -> EdgeDensities:
    """Fit a Gaussian to the edges of each class's images [N, R, C]."""
    edges = [edge_orientations(images.astype(np.float32) / np.float32(255)) for images in classes]
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
    """Return the squared distance within which most images of each class lie, [D].

    An image lies n / (n - 1) times as far from the mean of the n - 1 others as from that of all n.
    A class of few images has the reach of all classes, and more where its mean is uncertain.
    """
    counts = np.array([len(each) for each in squared])
    others = np.maximum(counts - 1, 1)
    away = [each * (n / m) ** 2 for each, n, m in zip(squared, counts, others, strict=True)]
    farthest = [max(NEAREST, np.quantile(each, 1 - FARTHEST)) for each in away]
    usual = np.log(np.quantile(np.concatenate(away), 1 - FARTHEST)) + np.log(1 + 1 / counts)
    weight = (counts - 1) / (counts - 1 + PRIOR)
    reach: Floats = np.exp(weight * np.log(farthest) + (1 - weight) * usual).astype(np.float32)
    return reach
