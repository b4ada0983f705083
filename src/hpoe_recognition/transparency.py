"""Pictures of any mode in grey or RGB, their transparent part filled with the paper's colour."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

WORKING_SIDE = 512
"""Pixels: larger pictures are reduced before they are looked at."""
OPAQUE = 250
"""Least alpha of an opaque pixel."""
SHEET_SHARE = 0.5
"""A sheet fills more than this share of the box around it; most strokes fill less."""
SHEET_CONTRAST = 48
"""Grey levels between a sheet and the ink on it, while strokes on no sheet have one colour."""
THIN_INK = (0.001, 0.999)
"""Quantiles of the grey levels: ink may cover a thousandth of a sheet."""
LOW_RANGE = 16
"""Grey levels: values up to this are counts of few levels, not of 256."""


def opaque(image: Image.Image) -> Image.Image:
    """Convert to grey or RGB of 256 levels, the transparent part filled with the paper's colour.

    What has been converted is returned as it is.
    """
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_levels(np.asarray(image)))
    if not image.has_transparency_data:
        if image.mode not in ("L", "RGB"):
            image = image.convert("L" if image.mode == "1" else "RGB")
    else:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, paper_colour(image))
        image = Image.alpha_composite(paper, image).convert("RGB")
    if max(high for _, high in np.reshape(image.getextrema(), (-1, 2))) > LOW_RANGE:
        return image
    return Image.fromarray(_levels(np.asarray(image)))


def _levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring values to 256 levels by the range that they use, whatever range their file allows."""
    values = np.nan_to_num(values).clip(min=0)
    highest = float(values.max(initial=0))
    if highest == 0:
        divisor = 1.0
    elif highest <= LOW_RANGE:
        divisor = highest / 255
    else:
        divisor = 2.0 ** max(0, math.ceil(math.log2(highest + 1)) - 8)
    levels: NDArray[np.uint8] = (values / divisor + 1e-9).astype(np.uint8)
    return levels


def paper_colour(image: Image.Image) -> tuple[int, int, int]:
    """Return the colour, red, green and blue, that goes behind an RGBA picture.

    A sheet of paper, cut out or turned, goes on in the colour of its border. Strokes that are on
    no sheet are on white paper, or on black if they are light.
    """
    small = image.reduce(-(-max(image.size) // WORKING_SIDE))
    colours, opaque = np.asarray(small.convert("RGB")), np.asarray(small)[..., 3] >= OPAQUE
    border = opaque & ~_inside(opaque)
    if _is_sheet(np.asarray(small.convert("L")), opaque, border):
        red, green, blue = (int(level) for level in np.median(colours[border], axis=0))
        return red, green, blue
    alpha = image.getchannel("A")
    ink = ImageStat.Stat(image.convert("L"), alpha).mean[0] if alpha.getbbox() else 0
    return (0, 0, 0) if ink > 127 else (255, 255, 255)


def _inside(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a region whose four neighbours belong to it."""
    around = np.pad(region, 1)
    inside: NDArray[np.bool_] = around[:-2, 1:-1] & around[2:, 1:-1]
    return inside & around[1:-1, :-2] & around[1:-1, 2:]


def _is_sheet(
    grey: NDArray[np.uint8], opaque: NDArray[np.bool_], border: NDArray[np.bool_]
) -> bool:
    """Whether the opaque part is paper with ink on it, not ink alone."""
    if not opaque.any():
        return False
    rows, columns = (np.flatnonzero(opaque.any(axis=axis)) for axis in (1, 0))
    if opaque.sum() <= SHEET_SHARE * (np.ptp(rows) + 1) * (np.ptp(columns) + 1):
        return False
    extremes = np.quantile(grey[opaque], THIN_INK)
    return bool(np.abs(extremes - np.median(grey[border])).max() > SHEET_CONTRAST)
