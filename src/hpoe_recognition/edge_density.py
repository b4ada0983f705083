"""How usual the edges of an image are for a digit: one Gaussian a digit over their orientations.

The descriptor is that of histograms of oriented gradients (Dalal and Triggs, 2005) with the square
root that makes Euclidean distances those of Hellinger. What the digit score's net was never shown
can still have edges that no digit has.

Shapes: N images of R rows and C columns, D digits, E numbers that describe edges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CELLS = 4
"""Of an image, along each side."""
ORIENTATIONS = 8
"""Of an edge, from 0 to 180 degrees; E is CELLS x CELLS x ORIENTATIONS."""


@dataclass(frozen=True)
class EdgeDensities:
    """A Gaussian for each digit, and how far from its mean the digits lie."""

    means: Floats
    """[D, E]."""
    whitenings: Floats
    """[D, E, E]: what makes each Gaussian's covariance the identity."""
    reach: Floats
    """Squared distance from the mean, standard deviations, within which nearly all lie, [D]."""

    def __call__(self, images: Floats) -> Floats:
        """Log of the reach over the squared distance, for the digit that suits best, [N].

        Of images [N, R, C] in [0, 1]; larger is more usual, and nearly all digits are above 0.
        """
        edges = edge_orientations(images)
        found = [
            np.log(reach / squared_distances(edges, mean, whitening))
            for mean, whitening, reach in zip(self.means, self.whitenings, self.reach, strict=True)
        ]
        best: Floats = np.max(found, axis=0)
        return best


def squared_distances(edges: Floats, mean: Floats, whitening: Floats) -> Floats:
    """From a Gaussian's mean, standard deviations, of [N, E]; [N]."""
    distances: Floats = np.square((edges - mean) @ whitening).sum(axis=1)
    return distances


def edge_orientations(images: Floats) -> Floats:
    """Square roots of the shares of an image's edges by orientation and cell, [N, R, C] to [N, E].

    A pixel's gradient, by central differences, counts for the two orientations and the four cells
    that are nearest, each the more the nearer it is. An image without edges is all zeros.
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
    cells = np.kron(_nearness(rows), _nearness(columns))
    edges = (sizes.reshape(-1, rows * columns) @ cells).reshape(count, -1)
    whole = edges.sum(axis=1, keepdims=True)
    shares: Floats = np.sqrt(edges / np.where(whole > 0, whole, 1))
    return shares


def _nearness(pixels: int) -> Floats:
    """How much each pixel along a side counts for each cell, [pixels, CELLS]."""
    size = pixels / CELLS
    centres = (np.arange(CELLS) + 0.5) * size - 0.5
    near: Floats = np.maximum(0, 1 - np.abs(np.arange(pixels)[:, None] - centres) / size)
    return near.astype(np.float32)
