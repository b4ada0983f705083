"""Model-based normalisation (section 7): each model picks the version that it scores highest.

Shapes: S versions of an image, N images, M models (one per class and layer).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Offset = tuple[int, int]
Preparation = Literal["as_given", "deskewed"]
"""How images are prepared for a network, in training and in use."""
SHEARS = (-0.3, -0.15, 0.15, 0.3)
"""Slopes of further versions that section 7 suggests."""
SHIFTS: tuple[Offset, ...] = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
"""The paper's five versions: as given, and shifted by one pixel (rows down, columns right)."""


@dataclass(frozen=True)
class Versions:
    """Versions of an image that every model of a network scores."""

    preparation: Preparation = "as_given"
    """Applied first, to all versions alike."""
    offsets: tuple[Offset, ...] = ((0, 0),)
    slopes: tuple[float, ...] = ()

    def of(self, images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """Yield the versions of images [N, rows, columns]: shifted ones, then sheared ones."""
        base = prepare(images, self.preparation)
        for offset in self.offsets:
            yield shift(base, offset)
        for slope in self.slopes:
            yield shear(base, slope)


def shift(images: NDArray[np.uint8], offset: Offset) -> NDArray[np.uint8]:
    """Shift images [N, rows, columns] by (rows down, columns right), background moving in."""
    moved = np.zeros_like(images)
    target, source = zip(*(_overlap(step) for step in offset), strict=True)
    moved[:, *target] = images[:, *source]
    return moved


def shear(images: NDArray[np.uint8], slope: float) -> NDArray[np.uint8]:
    """Shear images [N, rows, columns]: per row below the middle, `slope` pixels to the right."""
    rows = images.shape[1]
    moves = slope * (np.arange(rows) - (rows - 1) / 2)
    return _slide(images, np.broadcast_to(moves, images.shape[:2]))


def deskew(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shear images [N, rows, columns] until the ink's principal axis is vertical (section 2).

    About the centre of mass, by the slope that makes rows and columns of the ink uncorrelated.
    """
    _, rows, columns = images.shape
    ink = images.astype(np.float64)
    mass = np.maximum(ink.sum(axis=(1, 2)), 1)
    by_row, by_column = ink.sum(axis=2), ink.sum(axis=1)
    row = np.arange(rows) - (by_row @ np.arange(rows) / mass)[:, None]
    column = np.arange(columns) - (by_column @ np.arange(columns) / mass)[:, None]
    together = np.einsum("nrc,nr,nc->n", ink, row, column, optimize=True)
    spread = (by_row * row**2).sum(axis=1)
    slopes = np.divide(together, spread, out=np.zeros_like(spread), where=spread > 0)
    return _slide(images, -slopes[:, None] * row)


def prepare(images: NDArray[np.uint8], how: Preparation) -> NDArray[np.uint8]:
    """Prepare images [N, rows, columns] for a network."""
    return deskew(images) if how == "deskewed" else images


def unit_interval(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale intensities 0..255 to probabilities, [N, rows, columns] to [N, V] (section 2)."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def soft_choice(scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """T log mean_s exp(g_s / T), [S, N, M] to [N, M]; T in nats.

    As T goes to 0 it becomes the paper's maximum over the versions, as T goes to infinity the mean.
    """
    versions = len(scores)
    sums = np.logaddexp.reduce(scores / temperature, axis=0)
    soft: NDArray[np.float64] = temperature * (sums - np.log(versions))
    return soft


def _slide(images: NDArray[np.uint8], moves: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Move every row of every image right by its own pixels [N, rows], interpolated linearly."""
    columns = images.shape[2]
    whole = np.floor(moves).astype(int)
    part = (moves - whole)[:, :, None]
    source = np.arange(columns) - whole[:, :, None]
    at, before = (_columns(images, place) for place in (source, source - 1))
    slid: NDArray[np.uint8] = np.rint((1 - part) * at + part * before).astype(np.uint8)
    return slid


def _columns(images: NDArray[np.uint8], source: NDArray[np.int_]) -> NDArray[np.uint8]:
    """Return the pixels of each row at columns `source` [N, rows, columns]; background outside."""
    inside = (source >= 0) & (source < images.shape[2])
    pixels = np.take_along_axis(images, np.where(inside, source, 0), axis=2)
    return np.where(inside, pixels, np.uint8(0))


def _overlap(step: int) -> tuple[slice, slice]:
    """Return where the moved pixels go and where they come from, along one axis."""
    to, of = slice(max(step, 0), min(step, 0) or None), slice(max(-step, 0), min(-step, 0) or None)
    return to, of
