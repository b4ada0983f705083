"""How usual an image's edges are for a digit: one Gaussian per class over edge orientations.

The descriptor is a histogram of oriented gradients (Dalal and Triggs, 2005); its square root makes
Euclidean distances Hellinger distances. A figure unlike any the digit score's net was trained on
can still have edges that no digit has.

Shapes: N images of R rows and C columns, D classes, E values in a descriptor.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CELLS = 4
"""Cells along each side of an image."""
ORIENTATIONS = 8
"""Bins from 0 to 180 degrees; E is CELLS x CELLS x ORIENTATIONS."""


@dataclass(frozen=True)
class EdgeDensities:
    """One Gaussian per class, and how far from its mean the class's images lie."""

    means: Floats
    """[D, E]."""
    whitenings: Floats
    """[D, E, E]: turns each Gaussian's covariance into the identity."""
    reach: Floats
    """Squared Mahalanobis distance within which nearly all images of the class lie, [D]."""

    def __call__(self, images: Floats) -> Floats:
        """Return log(reach / squared distance) for the best-fitting class, [N].

        Images [N, R, C] are in [0, 1]; larger is more usual, and nearly all digits are above 0.
        """
        edges = edge_orientations(images)
        found = [
            np.log(reach / squared_distances(edges, mean, whitening))
            for mean, whitening, reach in zip(self.means, self.whitenings, self.reach, strict=True)
        ]
        best: Floats = np.max(found, axis=0)
        return best


def squared_distances(edges: Floats, mean: Floats, whitening: Floats) -> Floats:
    """Return squared Mahalanobis distances of descriptors [N, E] from a Gaussian's mean, [N]."""
    distances: Floats = np.square((edges - mean) @ whitening).sum(axis=1)
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
