"""Neutral outliers, which use nothing of the data but its size: strokes, blobs, noise, blanks."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from hpoe.registration.source import Picture, Source

FINE = 84
"""Pixels of the shorter side at which strokes are drawn."""


def strokes(source: Source) -> Picture:
    """Two to six straight or curved strokes of one width."""
    rows, columns = (FINE * length // source.side for length in source.size)
    sheet = Image.new("L", (columns, rows), 0)
    draw, t = ImageDraw.Draw(sheet), np.linspace(0, 1, 20)[:, None]
    width = int(source.rng.integers(3, 12))
    for _ in range(source.rng.integers(2, 7)):
        a, b, c, d = source.rng.uniform(0.1, 0.9, (4, 2)) * (columns, rows)
        if not source.rng.integers(3):
            b, c = (2 * a + d) / 3, (a + 2 * d) / 3
        curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        draw.line([tuple(point) for point in curve.tolist()], 255, width, joint="curve")
    return np.asarray(sheet, np.float32) / np.float32(255)


def crossed(source: Source) -> Picture:
    """Straight strokes across each other, at right angles, all rotated by one angle."""
    rows, columns = np.indices((FINE, FINE)) - FINE / 2
    angle, sheet = source.rng.uniform(0, np.pi), np.zeros((FINE, FINE), np.float32)
    width = source.rng.uniform(2, 7)
    for number in range(source.rng.integers(2, 5)):
        sine, cosine = np.sin(angle + number * np.pi / 2), np.cos(angle + number * np.pi / 2)
        across, along = rows * cosine - columns * sine, rows * sine + columns * cosine
        aside, length = source.rng.uniform(-25, 25), source.rng.uniform(15, 38)
        middle = source.rng.uniform(-12, 12)
        inside = np.clip(width - np.abs(across - aside), 0, 1)
        sheet = np.maximum(sheet, inside * (np.abs(along - middle) < length))
    return sheet


def blobs(source: Source) -> Picture:
    """Smooth noise with a soft or hard edge."""
    smoothness = source.rng.uniform(1, 4) * source.side / 28
    noise = ndimage.gaussian_filter(source.rng.standard_normal(source.size), smoothness)
    level = (noise - noise.mean()) / noise.std() - source.rng.uniform(0, 1.5)
    cloud: Picture = (1 / (1 + np.exp(-level * source.rng.uniform(4, 20)))).astype(np.float32)
    return cloud


def specks(source: Source) -> Picture:
    """A few specks on a blank picture."""
    sheet, size = np.zeros(source.size, np.float32), max(1, source.side // 14)
    for _ in range(source.rng.integers(1, 5)):
        row, column = (int(source.rng.integers(0, length - size)) for length in sheet.shape)
        sheet[row : row + size, column : column + size] = source.rng.uniform(0.3, 1)
    return sheet


def noise(source: Source) -> Picture:
    """Independent levels, of pixels or small squares, more or less of them black."""
    size = int(source.rng.integers(1, 1 + max(1, source.side // 7)))
    rows, columns = (-(-length // size) for length in source.size)
    levels = source.rng.random((rows, columns)) * (
        source.rng.random((rows, columns)) < source.rng.uniform(0.2, 1)
    )
    squares: Picture = np.kron(levels, np.ones((size, size))).astype(np.float32)
    return squares[: source.size[0], : source.size[1]]


def blank(source: Source) -> Picture:
    """One level, or a slope from one level to another."""
    rows, columns = (np.linspace(-1, 1, length) for length in source.size)
    slope = np.add.outer(rows * source.rng.uniform(-1, 1), columns * source.rng.uniform(-1, 1))
    level, contrast = source.rng.random(), source.rng.choice((0, source.rng.random()))
    levels: Picture = np.clip(level + contrast * slope, 0, 1).astype(np.float32)
    return levels


NEUTRAL: tuple[Callable[[Source], Picture], ...] = (
    *(strokes, crossed, blobs, specks, noise, blank),
)
