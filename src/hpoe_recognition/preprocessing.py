"""The preparation `ink`: light ink on black, sized and placed as MNIST's digits are.

The last steps are MNIST's own: the ink is fitted into 20/28 of the rows and of the columns with its
aspect ratio kept and anti-aliased, then its centre of mass is put in the middle. The steps before
them handle what MNIST's scans did not have: colour, light ink on dark paper, and uneven lighting.

The constants were chosen on MNIST's training images (docs/preprocessing.md). Shapes: R rows and
C columns of the result; G grey levels 0..255 and D darkness 0..1, both float32 [height, width].
Inputs are not modified.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from PIL.Image import Resampling

from hpoe_recognition.components import Grey
from hpoe_recognition.ink import figure_alone, longer_side, sheet

Array = NDArray[np.uint8]
"""A prepared picture [R, C], 0 background to 255 ink."""
Shape = tuple[int, int]
"""R and C."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom at pixel edges: the whole picture is 0, 0, width, height."""

MNIST_SIDE, MNIST_INK = 28, 20
"""Pixels: the sides of MNIST's images and of the square that holds the ink. MNIST's centre of mass
is row 14 and column 14, to the nearest pixel, in all 60,000 training images."""
FARTHEST = 0.55
"""Pixels: MNIST's centres of mass are 0.52 or less from there."""
SHORT = 1
"""Pixels by which the ink of 13 of these images fails to reach MNIST_INK."""

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
"""Pixels of the result, of any size: within the outermost one."""
THINNEST, THICKEST = 1.3, 4.0
"""Twentieths of the shorter side of the ink's room, which are MNIST's pixels: 98 % of its digits
have strokes of a thickness between these. A pen is as broad as the figure asks, at any size."""
THICKENED, THINNED = 2.0, 3.0
"""Of these: the thickness that thinner and thicker strokes are given."""
MARGIN = 0.25
"""Background kept around the ink in the close-up, as a fraction of the ink's longer side."""
SHARPENING = 0.5
"""Share of the difference from the four neighbours that is added, to undo the blur of a lens, of
enlarging or of averaging."""
FULL_INK = 0.9
"""Quantile of the ink's pixels that becomes 255, which all of MNIST's digits reach."""
ENOUGH_TO_AVERAGE = 3.0
"""Pixels per pixel of the result from which plain averaging is best."""


def as_ink(picture: Image.Image, shape: Shape) -> Array:
    """Prepare a grey or RGB picture of any size; a blank one gives zeros.

    The ink is located roughly in the whole picture, then precisely in a close-up. A sheet of paper
    on a darker or lighter ground is looked at by itself.
    """
    grey = contrast_grey(picture)
    whole = working(grey)
    if ink_is_light(whole):
        grey, whole = ImageOps.invert(grey), 255 - whole
    down, across = room(shape)
    rough = figure_alone(darkness(whole), across / down)
    if not rough.any():
        return np.zeros(shape, np.uint8)
    paper = sheet(rough)
    if paper is not None:
        inside = in_picture(paper, rough.shape, grey.size)
        if longer_side(inside) >= max(shape) and (ink := as_ink(picture.crop(inside), shape)).any():
            return ink
    close_up = grey.crop(in_picture(with_margin(ink_box(rough, shape)), rough.shape, grey.size))
    fine = figure_alone(darkness(working(close_up)), across / down)
    return placed_ink(with_usual_strokes(fine, shape), shape)


def placed_ink(dark: Grey, shape: Shape) -> Array:
    """Size and centre the ink of D; without any, all are zeros."""
    if not dark.any():
        return np.zeros(shape, np.uint8)
    return centred(size_normalised(dark, ink_box(dark, shape), shape), shape)


def room(shape: Shape) -> Shape:
    """Rows and columns that the ink is fitted into, 20 x 20 of 28 x 28."""
    rows, columns = shape
    return round(rows * MNIST_INK / MNIST_SIDE), round(columns * MNIST_INK / MNIST_SIDE)


def already_prepared(picture: Image.Image, shape: Shape) -> Array | None:
    """Return the pixels of a picture that is as MNIST's are, in size, colour and placing.

    That is light on black, the ink as large as its room, its centre of mass in the middle, or as
    near to it as the edges allow.
    """
    pixels = grey_levels(picture)
    if pixels is None or pixels.shape != shape:
        return None
    if not pixels.any():
        return pixels
    missing, moves = [], []
    for axis, (side, inside) in enumerate(zip(shape, room(shape), strict=True)):
        profile = pixels.sum(axis=1 - axis, dtype=np.int64)
        first, last = np.flatnonzero(profile)[[0, -1]]
        missing.append(inside - (last + 1 - first))
        to_middle = side // 2 - profile @ np.arange(side) / profile.sum()
        moves.append(abs(np.clip(to_middle, -first, side - 1 - last)))
    return pixels if 0 <= min(missing) <= SHORT and max(moves) <= FARTHEST else None


def grey_levels(picture: Image.Image) -> Array | None:
    """Return the levels of a grey or RGB picture, [height, width]; None if it has colours."""
    levels = np.asarray(picture)
    if levels.ndim == 2:
        return levels
    return None if (levels != levels[..., :1]).any() else np.ascontiguousarray(levels[..., 0])


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
    border = edge_levels(grey)
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


def edge_levels(grey: Grey) -> Grey:
    """Return the levels along the border of G."""
    return np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])


def highest_around(grid: Grey, window: int) -> Grey:
    """Return the maximum of the square window, of odd side, around every place of a grid."""
    for axis in (0, 1):
        reach = [(window // 2, window // 2) if side == axis else (0, 0) for side in (0, 1)]
        grid = sliding_window_view(np.pad(grid, reach, mode="edge"), window, axis=axis).max(axis=-1)
    return grid


def ink_box(dark: Grey, shape: Shape) -> Box:
    """Locate the ink of D to fractions of a pixel; D must have some."""
    columns, rows = dark.max(axis=0), dark.max(axis=1)
    solid = 0.5 if dark.max() > 0.5 else float(dark.max()) / 2
    ahead = max(
        LOOK_AHEAD / side * float(np.ptp(np.flatnonzero(line > solid)))
        for line, side in zip((rows, columns), room(shape), strict=True)
    )
    return (
        first_edge(columns, ahead),
        first_edge(rows, ahead),
        len(columns) - first_edge(columns[::-1], ahead),
        len(rows) - first_edge(rows[::-1], ahead),
    )


def scale_of(box: Box, shape: Shape) -> float:
    """Return how many pixels of the picture make one of the result, the ink being in a box."""
    rows, columns = room(shape)
    return max((box[2] - box[0]) / columns, (box[3] - box[1]) / rows)


def with_usual_strokes(dark: Grey, shape: Shape) -> Grey:
    """Thicken hairlines and thin bars of D, strokes that no digit of MNIST has."""
    if not dark.any():
        return dark
    pixel = scale_of(ink_box(dark, shape), shape) * (min(room(shape)) / MNIST_INK)
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


def size_normalised(dark: Grey, box: Box, shape: Shape) -> Array:
    """Fit the ink of D in `box` into its room at full contrast, keeping its aspect ratio."""
    scale = scale_of(box, shape)
    width, height = ((box[i + 2] - box[i]) / scale for i in (0, 1))
    size = max(1, round(width)), max(1, round(height))
    small = sharpened(resized(dark, size, box, scale))
    full = max(np.quantile(small, FULL_INK), small.max() / 2)
    return np.round(255 * np.clip(small / full, 0, 1)).astype(np.uint8)  # type: ignore[no-any-return]


def resized(values: Grey, size: tuple[int, int], box: Box, scale: float) -> Grey:
    """Resize what is in a box to columns and rows, anti-aliased; `scale` pixels become one."""
    filtering = Resampling.BOX if scale > ENOUGH_TO_AVERAGE else Resampling.HAMMING
    return np.asarray(Image.fromarray(values).resize(size, filtering, box))


def sharpened(dark: Grey) -> Grey:
    """Sharpen D by its differences from the four neighbours, clipped at 0."""
    around = np.pad(dark, 1)
    mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
    return np.maximum(0, dark + SHARPENING * (dark - mean))


def centred(ink: Array, shape: Shape) -> Array:
    """Place ink that fits into its room, its centre of mass in the middle."""
    image, mass = np.zeros(shape, np.uint8), ink.sum()
    top, left = (
        round(side // 2 - float(ink.sum(axis=1 - axis) @ np.arange(length) / mass))
        for axis, (side, length) in enumerate(zip(shape, ink.shape, strict=True))
    )
    top, left = (
        min(max(start, 0), side - length)
        for start, side, length in zip((top, left), shape, ink.shape, strict=True)
    )
    image[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return image
