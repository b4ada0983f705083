"""Outliers drawn as people would send them: test sets on which nothing was tuned."""

from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 112
DIGIT_LIKE = set("OoDQIlijJLZzSsBbGgqyYT")
LETTERS = [c for c in map(chr, (*range(65, 91), *range(97, 123))) if c not in DIGIT_LIKE]
BRACKETS_AND_BARS = (*range(0x2758, 0x275B), *range(0x2768, 0x2776))
CIRCLED_DIGITS = range(0x2776, 0x2794)
RESEMBLING = {*BRACKETS_AND_BARS, *CIRCLED_DIGITS}
SYMBOLS = [chr(c) for first, last in ((0x2190, 0x21FF), (0x2600, 0x266F), (0x2701, 0x27BF))
           for c in range(first, last) if c not in RESEMBLING]  # fmt: skip
Picture = Image.Image
Digits = NDArray[np.uint8]
Maker = Callable[[np.random.Generator, Digits], Picture]


def blank(rng: np.random.Generator, _: Digits) -> Picture:
    """One level of grey."""
    return Image.new("L", (SIDE, SIDE), int(rng.integers(256)))


def noise(rng: np.random.Generator, _: Digits) -> Picture:
    """Uniform noise, as small as a digit or larger."""
    side = int(rng.choice((28, 60, SIDE)))
    return Image.fromarray(rng.integers(0, 256, (side, side)).astype(np.uint8))


def shuffled(rng: np.random.Generator, digits: Digits) -> Picture:
    """The pixels of a digit, shuffled."""
    pixels = digits[rng.integers(len(digits))].reshape(-1)
    return Image.fromarray(rng.permutation(pixels).reshape(28, 28))


def strokes(rng: np.random.Generator, _: Digits) -> Picture:
    """Three to six random curves; fewer often look like a 1, a 7 or a 2."""
    sheet, draw = _sheet()
    t = np.linspace(0, 1, 40)[:, None]
    for _stroke in range(rng.integers(3, 7)):
        a, b, c, d = rng.uniform(10, SIDE - 10, (4, 2))
        curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t**3 * d
        width = int(rng.integers(6, 14))
        draw.line([tuple(point) for point in curve.tolist()], 255, width, joint="curve")
    return sheet


def checkerboard(rng: np.random.Generator, _: Digits) -> Picture:
    """Squares of two levels."""
    size, levels = int(rng.integers(4, 30)), rng.choice(256, 2, replace=False)
    rows, columns = np.indices((SIDE, SIDE)) // size
    return Image.fromarray(levels[(rows + columns) % 2].astype(np.uint8))


def shape(rng: np.random.Generator, _: Digits) -> Picture:
    """A rectangle, polygon, triangle, star, cross or saltire, filled or not.

    There is no circle, polygon of many corners, or sliver: they look like a 0 or a 1.
    """
    sheet, draw = _sheet()
    kind, filled, width = rng.integers(6), rng.integers(2), int(rng.integers(5, 14))
    fill = 255 if filled else None
    left, top = rng.uniform(5, 40, 2)
    right, bottom = rng.uniform(65, SIDE - 5, 2)
    middle = SIDE / 2
    if kind == 0:
        draw.rectangle((left, top, right, bottom), fill, 255, width)
    elif kind == 1:
        turn, corners = float(rng.uniform(0, 90)), int(rng.integers(5, 7))
        circle = (middle, middle, float(rng.uniform(30, 50)))
        draw.regular_polygon(circle, corners, turn, fill, 255, width)
    elif kind == 2:
        circle = (middle, middle, float(rng.uniform(30, 50)))
        draw.regular_polygon(circle, 3, float(rng.uniform(0, 120)), fill, 255, width)
    elif kind == 3:
        angles = rng.uniform(0, 2 * np.pi) + np.arange(10) * np.pi / 5
        radii = np.where(np.arange(10) % 2, 50, 20)
        points = middle + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        draw.polygon([tuple(point) for point in points.tolist()], fill, 255, width)
    elif kind == 4:
        draw.line((middle, top, middle, bottom), 255, width)
        draw.line((left, middle, right, middle), 255, width)
    else:
        draw.line((left, top, right, bottom), 255, width)
        draw.line((left, bottom, right, top), 255, width)
    return sheet


def symbol(rng: np.random.Generator, _: Digits) -> Picture:
    """An arrow, sign or drawing of a symbol font, but none that looks like a digit."""
    return _glyph(SYMBOLS, rng, _symbol_fonts())


def letter(rng: np.random.Generator, _: Digits) -> Picture:
    """A letter that does not look like a digit, in any font."""
    return _glyph(LETTERS, rng, _fonts())


def turned(rng: np.random.Generator, digits: Digits) -> Picture:
    """A digit rotated by 90 degrees."""
    image = digits[rng.integers(len(digits))]
    return Image.fromarray(np.rot90(image, int(rng.choice((1, 3)))))


KINDS: dict[str, Maker] = {
    "blank images": blank,
    "uniform noise": noise,
    "shuffled pixels": shuffled,
    "random strokes": strokes,
    "checkerboards": checkerboard,
    "shapes": shape,
    "symbols": symbol,
    "letters": letter,
    "digits turned by 90 degrees": turned,
}


def _sheet() -> tuple[Picture, ImageDraw.ImageDraw]:
    sheet = Image.new("L", (SIDE, SIDE), 0)
    return sheet, ImageDraw.Draw(sheet)


def _glyph(texts: list[str], rng: np.random.Generator, fonts: list[str]) -> Picture:
    """Draw a random glyph, in white on black, that the font has."""
    while True:
        text = str(rng.choice(texts))
        font = ImageFont.truetype(str(rng.choice(fonts)), 80)
        if bytes(font.getmask(text)) not in (b"", bytes(font.getmask("\U0010ffff"))):
            sheet = Image.new("L", (160, 160), 0)
            ImageDraw.Draw(sheet).text((80, 80), text, 255, font, anchor="mm")
            return sheet


@cache
def _fonts() -> list[str]:
    """Return the paths of text fonts, matplotlib's and the system's."""
    found = {path for path in font_manager.findSystemFonts() if path.endswith((".ttf", ".otf"))}
    found |= {entry.fname for entry in font_manager.fontManager.ttflist}
    odd = ("ymbol", "moji", "math", "STIX", "cmsy", "cmex", "cmmi", "Awesome", "Braille")
    return sorted(path for path in found if not any(part in path for part in odd) and _latin(path))


@cache
def _symbol_fonts() -> list[str]:
    return sorted(
        entry.fname for entry in font_manager.fontManager.ttflist if entry.name == "DejaVu Sans"
    )


def _latin(path: str) -> bool:
    """Return whether a font draws different letters differently."""
    try:
        font = ImageFont.truetype(path, 40)
    except OSError:
        return False
    return len({bytes(font.getmask(text)) for text in "AEKMNRWaekmnrw"}) == 14
