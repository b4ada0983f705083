"""Connected components of a picture's dark pixels.

In numpy, because a packaged model installs nothing larger. Shapes: D darkness 0..1, float32
[height, width]; K components.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]

DARK = 0.3
"""Darkness from which a pixel belongs to a component."""


@dataclass(frozen=True)
class Components:
    """The connected components of a picture's dark pixels, K of them."""

    labels: Whole
    """Component of each pixel, -1 for none, [height, width]."""
    mass: NDArray[np.float64]
    """Sum of darkness [K]."""
    area: Whole
    """Pixels [K]."""
    boxes: Whole
    """Left, top, right, bottom at pixel edges [K, 4]."""

    @classmethod
    def of(cls, dark: Grey) -> Self:
        """Find them; pixels that share a corner are connected."""
        mask = dark > DARK
        rows, starts, ends = runs(mask)
        owner = connected(rows, starts, ends, mask.shape[1] + 2)
        count = int(owner.max(initial=-1)) + 1
        labels = np.full(mask.shape, -1)
        labels[mask] = np.repeat(owner, ends - starts)
        boxes = np.tile([*mask.shape[::-1], 0, 0], (count, 1))
        for side, values in enumerate((starts, rows)):
            np.minimum.at(boxes[:, side], owner, values)
        for side, values in enumerate((ends, rows + 1), start=2):
            np.maximum.at(boxes[:, side], owner, values)
        inside = labels[mask]
        mass = np.bincount(inside, dark[mask], count).astype(np.float64)
        return cls(labels, mass, np.bincount(inside, minlength=count), boxes)


def runs(mask: Mask) -> tuple[Whole, Whole, Whole]:
    """Return row, first column and end of every run of true pixels, in reading order."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    return rows, starts, np.nonzero(steps == -1)[1]


def connected(rows: Whole, starts: Whole, ends: Whole, width: int) -> Whole:
    """Number the connected components of runs, [K] of 0, 1, ...

    Runs of neighbouring rows touch where neither ends before the other begins. The least number
    of a component is passed on until none changes; skipping ahead makes that a few rounds.
    """
    first = np.searchsorted(rows * width + ends, (rows - 1) * width + starts)
    last = np.searchsorted(rows * width + starts, (rows - 1) * width + ends, "right")
    count = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(rows)), count)
    above = np.arange(len(below)) - np.repeat(np.cumsum(count) - count, count) + first[below]
    owner, before = np.arange(len(rows)), None
    while before is None or (owner != before).any():
        before = owner.copy()
        least = np.minimum(owner[above], owner[below])
        np.minimum.at(owner, owner[above], least)
        np.minimum.at(owner, owner[below], least)
        owner = owner[owner]
    return np.unique(owner, return_inverse=True)[1]
