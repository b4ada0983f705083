"""Which dark parts of a picture are the figure: neither lines, edges, specks nor a neighbour.

A picture's dark pixels form connected components. The figure is the one that looks most like
writing, with the parts near it: the detached bar of a 5 belongs to it, a frame does not.

Shapes: D darkness 0..1, float32 [height, width]; boxes are left, top, right, bottom.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.components import DARK, Components, Grey, Mask, Whole

Sheet = tuple[int, int, int, int]

DUST = 0.005
"""Share of the heaviest component's mass below which another is left out at once."""
SPECK = 0.02
"""Share of the figure's mass below which another component is no part of it."""
LINE = 3.0
"""Width over height from which a component is a line, which no figure is, in a square room."""
SURROUNDING = 0.85
"""Share of the picture's width and height from which a component surrounds what it shows."""
ENCLOSED = 0.15
"""Share of its mass from which what a component encloses is the figure, and it a frame."""
UNLIKELY = 0.05
"""What each reason against a component is worth, in mass."""
NEAR = 0.2
"""Gap, as a fraction of the figure's longer side, within which a component is part of it;
longer by the aspect ratio of a room that is not square."""
OTHERS = 0.3
"""Share of the figure's mass from which other likely components make it no single figure."""
HALO = 0.03
"""Width of the faint edge of ink, as a fraction of the figure's longer side."""
CORNER = 0.12
"""Side of the squares in the corners of a sheet, as a fraction of its shorter side."""
WRITTEN = 0.02
"""Share of a sheet that what is written on it covers at least."""


def figure_alone(dark: Grey, aspect: float) -> Grey:
    """Return D without what is not the figure, whose room is `aspect` times as wide as high.

    A room that is wider than high is for words: their parts are farther apart for their height.
    """
    found = Components.of(dark)
    if not len(found.mass):
        return dark
    kept = belonging(found, dark.shape, aspect)
    figure, others = (np.append(each, False)[found.labels] for each in (kept, ~kept))
    reach = 1 + round(HALO * longer_side(around(found.boxes[kept])))
    return np.where(figure | (grown(figure, reach) & ~grown(others, 1)), dark, 0)


def sheet(dark: Grey) -> Sheet | None:
    """Return the inside of a sheet of paper, if that is what D's ink is, and not a figure.

    A sheet fills its corners and half of its area, and has holes: what is written on it.
    """
    mask = dark > DARK
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(1, round(CORNER * min(inside.shape)))
    ends = slice(0, side), slice(-side, None)
    full = sum(inside[down, across].mean() > 0.5 for down in ends for across in ends)
    if full < 3 or inside.mean() < 0.5:
        return None
    holes = Components.of((~inside).astype(np.float32))
    whole = np.array([[0, 0, *inside.shape[::-1]]])
    if holes.area[surrounds(whole, holes.boxes)[0]].sum() < WRITTEN * inside.size:
        return None
    left, top, right, bottom = (
        int(edge) for edge in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    )
    return left + side, top + side, right - side, bottom - side


def belonging(found: Components, shape: tuple[int, ...], aspect: float) -> Mask:
    """Choose the components of the figure [K]: the likeliest one, and what is near it.

    Where much else is as likely, the picture is of no single figure, and all of it is chosen.
    """
    (able,) = np.nonzero(found.mass > DUST * found.mass.max())
    boxes, mass = found.boxes[able], found.mass[able]
    left, top, right, bottom = boxes.T
    across, down = right - left, bottom - top
    cut = (left == 0) | (top == 0) | (right == shape[1]) | (bottom == shape[0])
    line = across > LINE * max(aspect, 1) * down
    border = (across > SURROUNDING * shape[1]) & (down > SURROUNDING * shape[0])
    frame = (surrounds(boxes, boxes) & (mass > ENCLOSED * mass[:, None])).any(axis=1)
    doubts = cut.astype(int) + line + border + frame
    main = int(np.argmax(mass * UNLIKELY**doubts))
    side = longer_side(boxes[main])
    bar = line & (top < bottom[main]) & (across <= side)  # of a 5; underlining is lower or longer
    may = (mass > SPECK * mass[main]) & (doubts - bar <= doubts[main]) & (~cut | cut[main])
    figure = near(boxes, main, may & (bar | ~line), NEAR * max(aspect, 1 / aspect) * side)
    others = ~figure & (mass > SPECK * mass[main]) & (doubts <= doubts[main])
    if mass[others].sum() > OTHERS * mass[figure].sum():
        return np.ones(len(found.mass), np.bool_)
    kept = np.zeros(len(found.mass), np.bool_)
    kept[able[figure]] = True
    return kept


def near(boxes: Whole, main: int, may: Mask, distance: float) -> Mask:
    """Choose one of some boxes [K, 4], and of those that `may` be those reached from it."""
    kept: Mask = np.arange(len(boxes)) == main
    while True:
        gaps = np.min([gap(boxes, box) for box in boxes[kept]], axis=0)
        more = kept | (may & (gaps <= distance))
        if np.array_equal(more, kept):
            return kept
        kept = more


def surrounds(outer: Whole, inner: Whole) -> Mask:
    """Whether boxes [J, 4] surround boxes [K, 4] on all sides, [J, K]."""
    begin = (outer[:, None, :2] < inner[None, :, :2]).all(axis=2)
    end = (outer[:, None, 2:] > inner[None, :, 2:]).all(axis=2)
    return np.asarray(begin & end)


def gap(boxes: Whole, box: Whole) -> NDArray[np.float64]:
    """Distance of boxes [K, 4] from one box; 0 where they overlap."""
    apart = np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:]).clip(min=0)
    distances: NDArray[np.float64] = np.hypot(*apart.T)
    return distances


def around(boxes: Whole) -> Whole:
    """The box around boxes [K, 4]."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def longer_side(box: Sequence[float] | Whole) -> float:
    """The longer side of a box."""
    left, top, right, bottom = (float(edge) for edge in box)
    return max(right - left, bottom - top)


def grown(mask: Mask, reach: int) -> Mask:
    """Extend a mask by `reach` pixels to all sides."""
    for _ in range(2):
        wide = mask.copy()
        for step in range(1, reach + 1):
            wide[step:] |= mask[:-step]
            wide[:-step] |= mask[step:]
        mask = wide.T
    return mask
