"""How usual an image's edges are for a class: one Gaussian per class over edge orientations.

The descriptor is a histogram of oriented gradients (Dalal and Triggs, 2005); its square root makes
Euclidean distances Hellinger distances. A figure unlike any the known score's net was trained on
can still have edges that no known image has.

Shapes: N images of R rows and C columns, D classes, E values in a descriptor, K directions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CELLS = 4
"""Cells along each side of an image."""
ORIENTATIONS = 8
"""Bins from 0 to 180 degrees; E is CELLS x CELLS x ORIENTATIONS."""
NEAREST = np.float32(1e-6)
"""Squared distances below are not told apart."""


@dataclass(frozen=True)
class EdgeDensities:
    """One Gaussian per class, and how far from its mean the class's images lie.

    The variance differs in K directions and is the same in all others.
    """

    means: Floats
    """[D, E]."""
    directions: Floats
    """Orthonormal principal directions of each class's covariance, [D, E, K]."""
    variances: Floats
    """Along these, [D, K]."""
    other_variances: Floats
    """In every other direction, [D]."""
    reach: Floats
    """Squared Mahalanobis distance within which nearly all images of the class lie, [D]."""

    def __call__(self, images: Floats, positions: NDArray[np.int64]) -> Floats:
        """Return log(reach / squared distance) for one class per image, [N].

        Images [N, R, C] are in [0, 1]; larger is more usual, and nearly all images are above 0 for
        their own class.
        """
        edges, usual = edge_orientations(images), np.empty(len(images), np.float32)
        for position in np.unique(positions):
            rows = np.flatnonzero(positions == position)
            usual[rows] = self._usual(edges[rows], position)
        return usual

    def best(self, images: Floats) -> Floats:
        """Return the same for the class whose edges suit best, [N]."""
        edges = edge_orientations(images)
        best: Floats = np.max([self._usual(edges, at) for at in range(len(self.means))], axis=0)
        return best

    def _usual(self, edges: Floats, position: int) -> Floats:
        of_class = (self.means, self.directions, self.variances, self.other_variances)
        squared = squared_distances(edges, *(part[position] for part in of_class))
        usual: Floats = np.log(self.reach[position] / np.maximum(squared, NEAREST))
        return usual


def squared_distances(
    edges: Floats, mean: Floats, directions: Floats, variances: Floats, others: Floats
) -> Floats:
    """Return squared Mahalanobis distances of descriptors [N, E] from a Gaussian's mean, [N]."""
    away = edges - mean
    along = np.square(away @ directions)
    rest = np.maximum(0, np.square(away).sum(axis=1) - along.sum(axis=1))
    distances: Floats = (along / variances).sum(axis=1) + rest / others
    return distances


def edge_orientations(images: Floats) -> Floats:
    """Return square roots of the shares of edges by orientation and cell, [N, R, C] to [N, E].

    A pixel's gradient, by central differences, is shared between the two nearest orientations and
    the four nearest cells, linearly by distance. An image without edges gives zeros.
    """
    count, rows, columns = images.shape
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]).reshape(count, -1)
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]).reshape(count, -1)
    image, pixel = np.nonzero((across != 0) | (down != 0))
    across, down = across[image, pixel], down[image, pixel]
    angle = np.arctan2(down, across) * np.float32(ORIENTATIONS / np.pi)
    lower = np.floor(angle)
    size, upper_share = np.hypot(across, down), angle - lower
    sizes = np.zeros((count, ORIENTATIONS, rows * columns), np.float32)
    orientation = lower.astype(np.int64)
    sizes[image, orientation % ORIENTATIONS, pixel] = size * (1 - upper_share)
    sizes[image, (orientation + 1) % ORIENTATIONS, pixel] = size * upper_share
    cells = np.kron(_cell_shares(rows), _cell_shares(columns))
    edges = (sizes.reshape(-1, rows * columns) @ cells).reshape(count, -1)
    whole = edges.sum(axis=1, keepdims=True)
    shares: Floats = np.sqrt(edges / np.where(whole > 0, whole, 1))
    return shares


def _cell_shares(pixels: int) -> Floats:
    """Return how much each pixel along a side counts for each cell, [pixels, CELLS]."""
    size = pixels / CELLS
    centres = (np.arange(CELLS) + 0.5) * size - 0.5
    near: Floats = np.maximum(0, 1 - np.abs(np.arange(pixels)[:, None] - centres) / size)
    return near.astype(np.float32)
