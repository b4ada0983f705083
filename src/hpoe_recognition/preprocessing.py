"""A picture of a digit converted to MNIST's format: 28 x 28, light ink on black.

The last steps are MNIST's own: the ink is fitted into 20 x 20 with its aspect ratio kept and
anti-aliased, then its centre of mass is put at the centre of 28 x 28. The steps before them handle
what MNIST's scans did not have: colour, light ink on dark paper, and uneven lighting.

The constants were chosen on training images (docs/preprocessing.md). Shapes: G grey levels 0..255
and D darkness 0..1, both float32 [height, width]. Inputs are not modified.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from PIL.Image import Resampling

from hpoe_recognition.ink import digit_alone, sheet

Digit = NDArray[np.uint8]
"""In MNIST's format: [28, 28], 0 background to 255 ink."""
Grey = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom at pixel edges: the whole picture is 0, 0, width, height."""

SIDE, INK_SIDE = 28, 20
CENTRE = 14
"""MNIST's centre of mass, to the nearest pixel, in all 60,000 training images."""

WORKING_SIDE = 256
"""Pixels: larger pictures are reduced before they are analysed."""
POLARITY_BLUR = 0.2
"""Blur radius for deciding whether ink is light or dark, as a fraction of the longer side."""
LEAST_CONTRAST = 12
"""Grey levels: a picture with less contrast between ink and background counts as blank."""
UNEVEN = 0.12
"""A background is uneven if its border varies by more than this fraction of the contrast."""
GRID, WINDOW, GRID_BLUR = 64, 25, 2
"""An uneven background is estimated on this grid, with a window wider than strokes."""
FLOOR, SHADOW_FLOOR = 0.08, 0.4
"""Darkness below which there is no ink: JPEG noise on even backgrounds, shadows on others."""
FAINTEST_EDGE = 0.15
"""Least darkness of an edge of ink; an edge is at half the darkness LOOK_AHEAD further in."""
LOOK_AHEAD = 0.4
"""Pixels of the result: within the outermost one."""
THINNEST, THICKEST = 1.3, 4.0
"""Pixels of the result: 98 % of MNIST's digits have strokes of a thickness between these."""
THICKENED, THINNED = 2.0, 3.0
"""Pixels of the result: the thickness that thinner and thicker strokes are given."""
MARGIN = 0.25
"""Background kept around the ink in the close-up, as a fraction of the ink's longer side."""
SHARPENING = 0.5
"""Share of the difference from the four neighbours that is added, to undo the blur of a lens, of
enlarging or of averaging."""
FULL_INK = 0.9
"""Quantile of the 20 x 20 pixels that becomes 255, which all of MNIST's digits reach."""
ENOUGH_TO_AVERAGE = 3.0
"""Pixels per pixel of the result from which plain averaging is best."""


def as_mnist(picture: Image.Image) -> Digit:
    """Convert a grey or RGB picture of any size to MNIST's format; a blank one gives zeros.

    The ink is located roughly in the whole picture, then precisely in a close-up. A sheet of paper
    on a darker or lighter ground is looked at by itself.
    """
    grey = contrast_grey(picture)
    whole = working(grey)
    if ink_is_light(whole):
        grey, whole = ImageOps.invert(grey), 255 - whole
    rough = digit_alone(darkness(whole))
    if not rough.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    paper = sheet(rough)
    if paper is not None:
        inside = in_picture(paper, rough.shape, grey.size)
        if longer_side(inside) >= SIDE and (digit := as_mnist(picture.crop(inside))).any():
            return digit
    close_up = grey.crop(in_picture(with_margin(ink_box(rough)), rough.shape, grey.size))
    fine = with_usual_strokes(digit_alone(darkness(working(close_up))))
    if not fine.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    return centred(size_normalised(fine, ink_box(fine)))


def working(picture: Image.Image) -> Grey:
    """Return the levels, [height, width] or [height, width, 3], reduced to WORKING_SIDE."""
    factor = -(-max(picture.size) // WORKING_SIDE)
    return np.asarray(picture.reduce(factor) if factor > 1 else picture, np.float32)


def contrast_grey(picture: Image.Image) -> Image.Image:
    """Convert to grey along the axis in which the picture's colours differ most.

    Red ink on green paper of the same lightness would vanish in the usual grey.
    """
    if picture.mode == "L":
        return picture
    axes = np.linalg.eigh(np.cov(working(picture).reshape(-1, 3).T, dtype=np.float32))[1]
    axis = axes[:, -1] / np.abs(axes[:, -1]).sum()
    weights = axis if axis.sum() > 0 else -axis
    return picture.convert("L", (*weights.tolist(), -255 * float(weights[weights < 0].sum())))


def ink_is_light(grey: Grey) -> bool:
    """Whether ink is lighter than paper: whether the largest deviations from G's blur are light.

    Ink covers less area than paper, so it deviates more from the mean of both. Frames and other
    grounds are at the edges of a picture, which therefore count less.
    """
    levels = Image.fromarray(grey.astype(np.uint8))
    blurred = levels.filter(ImageFilter.GaussianBlur(POLARITY_BLUR * max(levels.size)))
    inside = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) for n in grey.shape))
    return float(np.sum(inside * (grey - np.asarray(blurred, np.float32)) ** 3)) > 0


def darkness(grey: Grey) -> Grey:
    """Return how dark G is against its background, D: 0 background to 1 ink; all 0 if blank.

    Darkness is a ratio because a shadow dims ink and paper alike.
    """
    paper = background(grey)
    if float((paper - grey).max()) < LEAST_CONTRAST:
        return np.zeros_like(grey)
    dark: Grey = 1 - grey / np.maximum(paper, paper.max() / 8)
    dark = np.clip(dark / np.median(dark[dark > dark.max() / 2]), 0, 1)
    dark[dark < (SHADOW_FLOOR if np.ptp(paper) else FLOOR)] = 0
    return dark


def background(grey: Grey) -> Grey:
    """Estimate what G would be without its dark ink: the border's median if the border is paper.

    Otherwise a morphological closing: it removes dark marks smaller than the window.
    """
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    level, contrast = np.median(border), np.median(border) - np.quantile(grey, 0.01)
    is_even = np.ptp(np.quantile(border, (0.2, 0.8))) < UNEVEN * contrast
    is_paper = level > np.quantile(grey, 0.75) - UNEVEN * np.ptp(grey)
    if is_even and is_paper:
        return np.full(grey.shape, level, np.float32)
    height, width = grey.shape
    scale = max(1, max(height, width) / GRID)
    columns, rows = max(1, round(width / scale)), max(1, round(height / scale))
    grid = np.asarray(Image.fromarray(grey).resize((columns, rows), Resampling.BOX))
    inside = slice(WINDOW, -WINDOW)  # the light must continue beyond the border
    lightest = highest_around(np.pad(grid, WINDOW, mode="edge"), WINDOW)
    closed = -highest_around(-lightest, WINDOW)[inside, inside]
    blurred = Image.fromarray(closed.astype(np.uint8)).filter(ImageFilter.GaussianBlur(GRID_BLUR))
    levels = Image.fromarray(np.asarray(blurred, np.float32))
    return np.asarray(levels.resize((width, height), Resampling.BILINEAR))


def highest_around(grid: Grey, window: int) -> Grey:
    """Return the maximum of the square window, of odd side, around every place of a grid."""
    for axis in (0, 1):
        reach = [(window // 2, window // 2) if side == axis else (0, 0) for side in (0, 1)]
        grid = sliding_window_view(np.pad(grid, reach, mode="edge"), window, axis=axis).max(axis=-1)
    return grid


def ink_box(dark: Grey) -> Box:
    """Locate the ink of D to fractions of a pixel; D must have some."""
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
    """Return the longer side of a box."""
    return max(box[2] - box[0], box[3] - box[1])


def with_usual_strokes(dark: Grey) -> Grey:
    """Thicken hairlines and thin bars of D, strokes that no digit of MNIST has."""
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
    """Estimate the stroke thickness of D in pixels: twice the ink's area over its outline."""
    down, across = np.gradient(dark)
    return 2 * float(dark.sum()) / float(np.hypot(down, across).sum())


def first_edge(profile: Grey, ahead: float) -> float:
    """Return where a profile first reaches half of its value `ahead` further in.

    That finds a faint outermost pixel, enlarged smoothly or not, as well as a full one.
    """
    at = np.arange(len(profile))
    excess = profile - np.maximum(FAINTEST_EDGE, np.interp(at + ahead, at, profile) / 2)
    first = int(np.argmax(excess > 0))
    if first == 0:
        return 0.0
    return float(first + 0.5 - excess[first] / (excess[first] - excess[first - 1]))


def with_margin(box: Box) -> Box:
    """Extend a box by background around the ink."""
    margin = MARGIN * longer_side(box) + 1
    return box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin


def in_picture(
    box: Box, shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Map a box of a reduced picture of `shape` to the picture of `size`, within its edges."""
    left, top, right, bottom = box
    across, down = size[0] / shape[1], size[1] / shape[0]
    return (
        max(0, int(left * across)),
        max(0, int(top * down)),
        min(size[0], int(right * across)),
        min(size[1], int(bottom * down)),
    )


def size_normalised(dark: Grey, box: Box) -> Digit:
    """Fit the ink of D in `box` into 20 x 20 at full contrast, keeping its aspect ratio."""
    scale = longer_side(box) / INK_SIDE
    width, height = ((box[i + 2] - box[i]) / scale for i in (0, 1))
    size = max(1, round(width)), max(1, round(height))
    filtering = Resampling.BOX if scale > ENOUGH_TO_AVERAGE else Resampling.HAMMING
    small = sharpened(np.asarray(Image.fromarray(dark).resize(size, filtering, box)))
    full = max(np.quantile(small, FULL_INK), small.max() / 2)
    return np.round(255 * np.clip(small / full, 0, 1)).astype(np.uint8)  # type: ignore[no-any-return]


def sharpened(dark: Grey) -> Grey:
    """Sharpen D by its differences from the four neighbours, clipped at 0."""
    around = np.pad(dark, 1)
    mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
    return np.maximum(0, dark + SHARPENING * (dark - mean))


def centred(digit: Digit) -> Digit:
    """Place a digit of at most 20 x 20 in 28 x 28, its centre of mass at the centre."""
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
