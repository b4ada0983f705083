"""Pictures of digits with what else people's pictures show: lines, frames, edges, dust, neighbours.

Made of images in MNIST's format, so that the right result is known. Shapes: D darkness 0..1,
[height, width], in which the digit's longer side is `length` pixels.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from PIL.Image import Resampling

Bytes = NDArray[np.uint8]
Dark = NDArray[np.float64]
Point = tuple[float, float]
SIDES = 4


class Sheet(NamedTuple):
    """A digit with some room around it."""

    dark: Dark
    box: tuple[int, int, int, int]
    """Left, top, right, bottom of the digit."""
    length: int

    def with_lines(
        self, lines: list[tuple[Point, Point]], thickness: float, darkness: float
    ) -> Dark:
        """Draw lines, from one point to another; thickness as a fraction of the length."""
        height, width = self.dark.shape
        drawn, pen = Image.new("L", (width, height)), max(1, round(thickness * self.length))
        draw = ImageDraw.Draw(drawn)
        for line in lines:
            draw.line(line, fill=round(255 * darkness), width=pen)
        return np.maximum(self.dark, np.asarray(drawn) / 255)


def sheet(digit: Bytes, rng: np.random.Generator, room: Point) -> Sheet:
    """Enlarge a digit 3 to 9 times, with room on each side from a range, in lengths."""
    side = round(28 * rng.uniform(3, 9))
    large = np.asarray(Image.fromarray(digit).resize((side, side), Resampling.BICUBIC)) / 255
    rows, columns = (np.flatnonzero((large > 0.3).any(axis=axis)) for axis in (1, 0))
    ink = large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    length = max(ink.shape)
    top, bottom, left, right = (round(length * rng.uniform(*room)) for _ in range(SIDES))
    box = left, top, left + ink.shape[1], top + ink.shape[0]
    return Sheet(np.pad(ink, ((top, bottom), (left, right))), box, length)


def photographed(dark: Dark, rng: np.random.Generator, noise: float = 3) -> Image.Image:
    """Turn darkness into grey levels of some ink on some paper, with noise of the sensor."""
    paper, ink = rng.uniform(200, 255), rng.uniform(0, 90)
    levels = paper - (paper - ink) * dark + rng.normal(0, noise, dark.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def plain(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """On a sheet, off centre."""
    return photographed(sheet(digit, rng, (0.1, 1)).dark, rng)


def framed(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """In a frame, at the edge of the picture or near it."""
    page = sheet(digit, rng, (0.15, 0.45))
    inset = rng.uniform(0, 0.05) * page.length
    height, width = page.dark.shape
    right, bottom = width - 1 - inset, height - 1 - inset
    corners = [(inset, inset), (right, inset), (right, bottom), (inset, bottom), (inset, inset)]
    lines = list(pairwise(corners))
    return photographed(page.with_lines(lines, rng.uniform(0.02, 0.06), rng.uniform(0.5, 1)), rng)


def in_a_cell(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """Cut out of a form, with some of the cell's borders, not quite straight."""
    page = sheet(digit, rng, (0.12, 0.4))
    height, width = page.dark.shape
    slant = rng.normal(0, 0.02 * page.length, SIDES)
    borders: list[tuple[Point, Point]] = [
        ((0, slant[0]), (width, -slant[0])),
        ((0, height - 1 + slant[1]), (width, height - 1 - slant[1])),
        ((slant[2], 0), (-slant[2], height)),
        ((width - 1 + slant[3], 0), (width - 1 - slant[3], height)),
    ]
    chosen = rng.permutation(SIDES)[: rng.integers(1, SIDES + 1)]
    lines = [borders[at] for at in chosen]
    return photographed(page.with_lines(lines, rng.uniform(0.02, 0.08), rng.uniform(0.4, 1)), rng)


def ruled(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """Between two lines of ruled paper."""
    page = sheet(digit, rng, (0.3, 0.8))
    width = page.dark.shape[1]
    gaps = rng.uniform(0.08, 0.2, 2) * page.length
    heights = page.box[1] - gaps[0], page.box[3] + gaps[1]
    lines: list[tuple[Point, Point]] = [((0, height), (width, height)) for height in heights]
    return photographed(
        page.with_lines(lines, rng.uniform(0.015, 0.04), rng.uniform(0.3, 0.8)), rng
    )


def underlined(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """With a line below it."""
    page = sheet(digit, rng, (0.35, 0.8))
    left, _, right, bottom = page.box
    height = bottom + rng.uniform(0.08, 0.2) * page.length
    ends = left - rng.uniform(0, 0.3) * page.length, right + rng.uniform(0, 0.3) * page.length
    line = (ends[0], height), (ends[1], height + rng.normal(0, 0.03 * page.length))
    return photographed(page.with_lines([line], rng.uniform(0.03, 0.09), rng.uniform(0.7, 1)), rng)


def on_a_table(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """On a sheet of paper that lies on something darker, all of it in the picture."""
    page = sheet(digit, rng, (0.15, 0.5))
    top, bottom, left, right = (round(page.length * rng.uniform(0.1, 0.6)) for _ in range(SIDES))
    around = ((top, bottom), (left, right))
    return photographed(np.pad(page.dark, around, constant_values=rng.uniform(0.35, 1)), rng)


def at_an_edge(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """Near the edge of the sheet, beyond which it is darker."""
    page = sheet(digit, rng, (0.15, 0.5))
    band = np.zeros(SIDES, int)
    band[rng.integers(SIDES)] = round(page.length * rng.uniform(0.05, 0.4))
    around = band.reshape(2, 2)
    return photographed(np.pad(page.dark, around, constant_values=rng.uniform(0.35, 1)), rng)


def dusty(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """With specks."""
    page = sheet(digit, rng, (0.1, 0.8))
    height, width = page.dark.shape
    specks = Image.new("L", (width, height))
    for _ in range(rng.integers(3, 25)):
        x, y, radius = *rng.uniform((0, 0), (width, height)), page.length * rng.uniform(0.005, 0.03)
        ellipse = (x - radius, y - radius, x + radius, y + radius)
        ImageDraw.Draw(specks).ellipse(ellipse, fill=int(rng.integers(80, 256)))
    return photographed(np.maximum(page.dark, np.asarray(specks) / 255), rng)


def noisy(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """In bad light, with a sensor's noise."""
    dark = sheet(digit, rng, (0.1, 0.8)).dark * rng.uniform(0.6, 1)
    picture = photographed(dark, rng, rng.uniform(10, 35))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))


def beside_another(digit: Bytes, rng: np.random.Generator) -> Image.Image:
    """With a piece of a neighbour at an edge of the picture: a ring, as of a 0 or a 6."""
    page = sheet(digit, rng, (0.35, 0.5))
    height, width = page.dark.shape
    pen, reach = rng.uniform(0.08, 0.14) * page.length, rng.uniform(0.08, 0.2) * page.length
    x, y = [(0, height / 2), (width, height / 2), (width / 2, 0), (width / 2, height)][
        rng.integers(SIDES)
    ]
    neighbour = Image.new("L", (width, height))
    ring = (x - reach, y - reach, x + reach, y + reach)
    ImageDraw.Draw(neighbour).ellipse(ring, outline=255, width=round(pen))
    return photographed(np.maximum(page.dark, np.asarray(neighbour) / 255), rng)


SURROUNDINGS: dict[str, Callable[[Bytes, np.random.Generator], Image.Image]] = {
    "plain": plain,
    "frame": framed,
    "cell of a form": in_a_cell,
    "ruled paper": ruled,
    "underlined": underlined,
    "sheet on a table": on_a_table,
    "edge of the sheet": at_an_edge,
    "dust": dusty,
    "noise": noisy,
    "neighbour": beside_another,
}
