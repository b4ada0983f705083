"""The preparation `fit`: the whole picture in grey, light on black, its aspect ratio kept.

Shapes: R rows and C columns of the result; values are float32 [height, width].
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hpoe_recognition.components import Grey
from hpoe_recognition.preprocessing import (
    LEAST_CONTRAST,
    Array,
    Shape,
    contrast_grey,
    edge_levels,
    grey_levels,
    resized,
)

ENOUGH = 4
"""Pixels per pixel of the result that are left when a large picture is reduced at once."""
NEARLY_BLACK = 64
"""Grey levels, of 255 from the darkest to the lightest: a background up to this becomes black.
Where it is lighter, much of the picture is darker than its background, and no level is lost."""


def as_fit(picture: Image.Image, shape: Shape) -> Array:
    """Prepare a grey or RGB picture of any size; a blank one gives zeros.

    A grey one of this size whose background is dark is returned unchanged.
    """
    levels = grey_levels(picture)
    if levels is not None and levels.shape == shape and is_ready(levels):
        return levels
    grey = contrast_grey(picture) if levels is None else Image.fromarray(levels)
    return in_the_middle(light_on_black(fitted(grey, shape)), shape)


def is_ready(levels: Array) -> bool:
    """Whether levels are neither blank nor on a light background."""
    lowest, highest = float(levels.min()), float(levels.max())
    background = float(np.median(edge_levels(levels.astype(np.float32))))
    return highest - lowest >= LEAST_CONTRAST and background <= (lowest + highest) / 2


def fitted(picture: Image.Image, shape: Shape) -> Grey:
    """Resize a picture of one channel until it just fits into R x C, its aspect ratio kept."""
    width, height = picture.size
    scale = max(height / shape[0], width / shape[1])
    size = max(1, round(width / scale)), max(1, round(height / scale))
    factor = max(1, int(scale / ENOUGH))
    values = np.asarray(picture.reduce(factor), np.float32)
    return resized(values, size, (0, 0, width / factor, height / factor), scale / factor)


def light_on_black(values: Grey) -> Grey:
    """Stretch levels to 0..255, what they are at the border becoming dark; blank ones to zeros."""
    lowest, highest = float(values.min()), float(values.max())
    if highest - lowest < LEAST_CONTRAST:
        return np.zeros_like(values)
    levels: Grey = np.rint((values - lowest) * (255 / (highest - lowest)))
    background = float(np.median(edge_levels(levels)))
    if background > 255 / 2:
        levels, background = 255 - levels, 255 - background
    if background > NEARLY_BLACK:
        return levels
    stretched: Grey = np.maximum(levels - background, 0) * np.float32(255 / (255 - background))
    return stretched


def in_the_middle(values: NDArray[np.floating], shape: Shape) -> Array:
    """Put levels 0..255 into the middle of R x C, zeros around them."""
    image = np.zeros(shape, np.uint8)
    top, left = ((side - length) // 2 for side, length in zip(shape, values.shape, strict=True))
    image[top : top + len(values), left : left + values.shape[1]] = np.rint(values)
    return image
