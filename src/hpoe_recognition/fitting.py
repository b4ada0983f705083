"""The preparation `fit`: the whole picture in grey, light on black, its aspect ratio kept.

Shapes: R rows and C columns of the result; values float32 [height, width].
"""

import numpy as np

from hpoe_recognition.components import Grey
from hpoe_recognition.preprocessing import Array, Shape, resized


def fitted(values: Grey, shape: Shape) -> Grey:
    """Resize values until they just fit into R x C, anti-aliased, with their aspect ratio kept."""
    height, width = values.shape
    scale = max(height / shape[0], width / shape[1])
    size = max(1, round(width / scale)), max(1, round(height / scale))
    return resized(values, size, (0, 0, width, height), scale)


def in_the_middle(values: Grey, shape: Shape) -> Array:
    """Put values 0..1 into the middle of R x C, uint8, zeros around them."""
    image = np.zeros(shape, np.uint8)
    top, left = ((side - length) // 2 for side, length in zip(shape, values.shape, strict=True))
    levels = np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
    image[top : top + len(levels), left : left + levels.shape[1]] = levels
    return image
