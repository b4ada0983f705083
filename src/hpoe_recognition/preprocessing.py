"""A picture of a digit as MNIST would have it: 28 x 28, light ink on black.

MNIST's own steps: the ink fitted into 20 x 20 with its aspect ratio kept, anti-aliased, then its
centre of mass put on the centre of 28 x 28. Before them, what MNIST's scans had no need of: grey
from colour, dark ink from light, an even background from a shadowed one.

The constants were chosen on training images (docs/preprocessing.md). Shapes: G grey levels 0..255
and D darkness 0..1, both float32 [height, width]. Inputs are not modified.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from PIL.Image import Resampling

Digit = NDArray[np.uint8]
"""As MNIST has it: [28, 28], 0 background to 255 ink."""
Grey = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom: edges of pixels, so that the whole is 0, 0, width, height."""

SIDE, INK_SIDE = 28, 20
CENTRE = 14
"""Where MNIST's centres of mass are, to the nearest pixel: all 60,000 training images agree."""

WORKING_SIDE = 256
"""Pixels: larger pictures are reduced before they are looked at."""
POLARITY_BLUR = 0.2
"""Blur that shows on which side of its surroundings ink is, as a part of the longer side."""
LEAST_CONTRAST = 12
"""Grey levels: a picture whose ink differs from its background by less is blank."""
UNEVEN = 0.12
"""A background is uneven if its border spreads over more than this part of the ink's contrast."""
GRID, WINDOW, GRID_BLUR = 64, 25, 2
"""An uneven background is looked for on so coarse a grid, through a window wider than strokes."""
FLOOR, SHADOW_FLOOR = 0.08, 0.4
"""Darkness that is no ink: noise of JPEG where the background is even, rests of shadows if not."""
FAINTEST_EDGE = 0.15
"""Darkness at which ink may begin; it begins at half of what it is LOOK_AHEAD further in."""
LOOK_AHEAD = 0.4
"""Of a pixel of the result: inside the outermost one."""
THINNEST, THICKEST = 1.3, 4.0
"""Pixels of the result: 98 in a hundred of MNIST's digits have strokes between these."""
THICKENED, THINNED = 2.0, 3.0
"""Pixels of the result: how thick strokes beyond those are made."""
MARGIN = 0.25
"""Background looked at around the ink, as a part of its longer side."""
SHARPENING = 0.5
"""What is added of the difference from the four neighbours: it was lost when the picture was made,
by a lens, by enlarging or by averaging."""
FULL_INK = 0.9
"""The quantile of the 20 x 20 that becomes 255: MNIST's digits all reach it."""
ENOUGH_TO_AVERAGE = 3.0
"""Pixels a pixel of the result from which plain averages are best."""


def as_mnist(picture: Image.Image) -> Digit:
    """A grey or RGB picture of any size as MNIST would have it; a blank one gives zeros.

    The ink is found roughly in the whole picture, then precisely in a close-up of it.
    """
    grey = contrast_grey(picture)
    whole = working(grey)
    if ink_is_light(whole):
        grey, whole = ImageOps.invert(grey), 255 - whole
    rough = darkness(whole)
    if not rough.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    close_up = grey.crop(surroundings(ink_box(rough), rough.shape, grey.size))
    fine = with_usual_strokes(darkness(working(close_up)))
    if not fine.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    return centred(size_normalised(fine, ink_box(fine)))


def working(picture: Image.Image) -> Grey:
    """A picture's levels, [height, width] or [height, width, 3], at most WORKING_SIDE a side."""
    factor = -(-max(picture.size) // WORKING_SIDE)
    return np.asarray(picture.reduce(factor) if factor > 1 else picture, np.float32)


def contrast_grey(picture: Image.Image) -> Image.Image:
    """Grey levels along the axis on which the picture's colours differ most.

    Red ink on green paper of the same lightness would vanish in the usual grey.
    """
    if picture.mode == "L":
        return picture
    axes = np.linalg.eigh(np.cov(working(picture).reshape(-1, 3).T, dtype=np.float32))[1]
    axis = axes[:, -1] / np.abs(axes[:, -1]).sum()
    weights = axis if axis.sum() > 0 else -axis
    return picture.convert("L", (*weights.tolist(), -255 * float(weights[weights < 0].sum())))


def ink_is_light(grey: Grey) -> bool:
    """Whether the greatest differences from the surroundings G [height, width] are light ones.

    Ink covers less than its surroundings do, so that it differs more from the mean of both.
    """
    levels = Image.fromarray(grey.astype(np.uint8))
    blurred = levels.filter(ImageFilter.GaussianBlur(POLARITY_BLUR * max(levels.size)))
    return float(np.sum((grey - np.asarray(blurred, np.float32)) ** 3)) > 0


def darkness(grey: Grey) -> Grey:
    """How dark G is against its background, D: 0 background to 1 ink; all 0 if it is blank.

    A quotient, for a shadow dims ink and paper alike.
    """
    paper = background(grey)
    if float((paper - grey).max()) < LEAST_CONTRAST:
        return np.zeros_like(grey)
    dark: Grey = 1 - grey / np.maximum(paper, paper.max() / 8)
    dark = np.clip(dark / np.median(dark[dark > dark.max() / 2]), 0, 1)
    dark[dark < (SHADOW_FLOOR if np.ptp(paper) else FLOOR)] = 0
    return dark


def background(grey: Grey) -> Grey:
    """What G would be without its dark ink: the border's median if the border is even.

    If it is not: the lightest around every place, whatever is smaller than the window closed.
    """
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    level, contrast = np.median(border), np.median(border) - np.quantile(grey, 0.01)
    if np.ptp(np.quantile(border, (0.2, 0.8))) < UNEVEN * contrast:
        return np.full(grey.shape, level, np.float32)
    height, width = grey.shape
    scale = max(1, max(height, width) / GRID)
    columns, rows = max(1, round(width / scale)), max(1, round(height / scale))
    grid = np.asarray(Image.fromarray(grey).resize((columns, rows), Resampling.BOX))
    inside = slice(WINDOW, -WINDOW)  # the window must find the light going on beyond the border
    lightest = highest_around(np.pad(grid, WINDOW, mode="edge"), WINDOW)
    closed = -highest_around(-lightest, WINDOW)[inside, inside]
    blurred = Image.fromarray(closed.astype(np.uint8)).filter(ImageFilter.GaussianBlur(GRID_BLUR))
    levels = Image.fromarray(np.asarray(blurred, np.float32))
    return np.asarray(levels.resize((width, height), Resampling.BILINEAR))


def highest_around(grid: Grey, window: int) -> Grey:
    """The maximum of the square window, of an odd side, around every place of a grid."""
    for axis in (0, 1):
        reach = [(window // 2, window // 2) if side == axis else (0, 0) for side in (0, 1)]
        grid = sliding_window_view(np.pad(grid, reach, mode="edge"), window, axis=axis).max(axis=-1)
    return grid


def ink_box(dark: Grey) -> Box:
    """Where the ink of D is, to parts of a pixel; there must be some."""
    columns, rows = dark.max(axis=0), dark.max(axis=1)
    ahead = (
        LOOK_AHEAD / INK_SIDE * max(np.ptp(np.flatnonzero(line > 0.5)) for line in (columns, rows))
    )
    return (
        first_edge(columns, ahead),
        first_edge(rows, ahead),
        len(columns) - first_edge(columns[::-1], ahead),
        len(rows) - first_edge(rows[::-1], ahead),
    )


def longer_side(box: Box) -> float:
    """Of a box, in its pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def with_usual_strokes(dark: Grey) -> Grey:
    """D with strokes that no digit of MNIST has, hairlines or bars, made thicker or thinner."""
    if not dark.any():
        return dark
    pixel = longer_side(ink_box(dark)) / INK_SIDE
    thickness = stroke_thickness(dark) / pixel
    if thickness < THINNEST:
        reach = round((THICKENED - thickness) * pixel / 2)
        return highest_around(dark, 2 * reach + 1)
    if thickness > THICKEST:
        reach = round((thickness - THINNED) * pixel / 2)
        return -highest_around(-dark, 2 * reach + 1)
    return dark


def stroke_thickness(dark: Grey) -> float:
    """Of D in its pixels: twice the ink's area over the length of its outline."""
    down, across = np.gradient(dark)
    return 2 * float(dark.sum()) / float(np.hypot(down, across).sum())


def first_edge(profile: Grey, ahead: float) -> float:
    """Where a profile first reaches half of its value `ahead` further in.

    So a faint outermost pixel that was enlarged, smoothly or not, is found as well as a full one.
    """
    at = np.arange(len(profile))
    excess = profile - np.maximum(FAINTEST_EDGE, np.interp(at + ahead, at, profile) / 2)
    first = int(np.argmax(excess > 0))
    if first == 0:
        return 0.0
    return float(first + 0.5 - excess[first] / (excess[first] - excess[first - 1]))


def surroundings(
    box: Box, shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A box found in a reduced picture of `shape`, with a margin, in the picture of `size`."""
    left, top, right, bottom = box
    margin = MARGIN * longer_side(box) + 1
    across, down = size[0] / shape[1], size[1] / shape[0]
    return (
        max(0, int((left - margin) * across)),
        max(0, int((top - margin) * down)),
        min(size[0], int((right + margin) * across)),
        min(size[1], int((bottom + margin) * down)),
    )


def size_normalised(dark: Grey, box: Box) -> Digit:
    """The ink of D in `box`, fitted into 20 x 20 with its aspect ratio kept, at full contrast."""
    scale = longer_side(box) / INK_SIDE
    width, height = ((box[i + 2] - box[i]) / scale for i in (0, 1))
    size = max(1, round(width)), max(1, round(height))
    filtering = Resampling.BOX if scale > ENOUGH_TO_AVERAGE else Resampling.HAMMING
    small = sharpened(np.asarray(Image.fromarray(dark).resize(size, filtering, box)))
    full = max(np.quantile(small, FULL_INK), small.max() / 2)
    return np.round(255 * np.clip(small / full, 0, 1)).astype(np.uint8)  # type: ignore[no-any-return]


def sharpened(dark: Grey) -> Grey:
    """D with the differences from its four neighbours enlarged; nothing is lighter than none."""
    around = np.pad(dark, 1)
    mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
    return np.maximum(0, dark + SHARPENING * (dark - mean))


def centred(digit: Digit) -> Digit:
    """A digit of at most 20 x 20 in 28 x 28, its centre of mass on the centre."""
    image, mass = np.zeros((SIDE, SIDE), np.uint8), digit.sum()
    top, left = (
        round(CENTRE - float(digit.sum(axis=1 - axis) @ np.arange(length) / mass))
        for axis, length in enumerate(digit.shape)
    )
    top, left = (
        min(max(start, 0), SIDE - length)
        for start, length in zip((top, left), digit.shape, strict=True)
    )
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image
