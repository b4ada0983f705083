"""Show what each preparation makes of symbols, grey pictures of clothes, and words.

    python -m benchmarks.preparations

All is drawn here, so that the figure needs no data.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from PIL.Image import Resampling

from benchmarks.pictures import preparations
from hpoe.evaluation import drawing
from hpoe_recognition.formats import Format, PicturePreparation, prepared
from hpoe_recognition.images import ImageError

PICTURE = Path("docs/images/preparations.png")
FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"
SQUARE, WORD = (28, 28), (20, 32)
CELL = 84, 96  # rows and columns of a tile, three times those of the largest array

Bytes = NDArray[np.uint8]
Shape = tuple[int, int]


def written(text: str, ink: str, paper: str, at: tuple[int, int] = (60, 40)) -> Image.Image:
    """Write a text on paper, in the middle or not."""
    font = ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), 120)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    picture = Image.new("RGB", (right - left + 100, bottom - top + 100), paper)
    ImageDraw.Draw(picture).text((at[0] - left, at[1] - top), text, font=font, fill=ink)
    return picture


def garment(outline: list[tuple[int, int]], rng: np.random.Generator) -> Image.Image:
    """Draw a garment with folds and a pattern in grey on white, 280 x 280 pixels."""
    mask = Image.new("L", (280, 280))
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    folds = rng.normal(0, 1, (280, 280))
    blurred = Image.fromarray((127 + 127 * np.tanh(folds)).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(9)
    )
    rows = np.arange(280)[:, None]
    stripes = 30 * (rows // 24 % 2)
    cloth = np.clip(100 + 6 * (np.asarray(blurred, float) - 127) + stripes, 0, 235)
    white = Image.new("L", (280, 280), 255)
    white.paste(Image.fromarray(cloth.astype(np.uint8)), mask=mask)
    return white.filter(ImageFilter.GaussianBlur(1.5))


SHIRT = [
    *((90, 30), (120, 45), (160, 45), (190, 30), (255, 80), (225, 125), (200, 105)),
    *((200, 250), (80, 250), (80, 105), (55, 125), (25, 80)),
]
BAG = [
    *((30, 110), (85, 110), (95, 50), (185, 50), (195, 110), (250, 110), (235, 240), (45, 240)),
    *((30, 110), (105, 110), (175, 110), (168, 70), (112, 70), (105, 110)),
]
BOOT = [
    *((90, 40), (160, 40), (165, 140), (240, 180), (255, 225), (165, 225), (155, 210)),
    *((125, 210), (120, 225), (90, 225)),
]


def examples() -> Iterator[tuple[Image.Image, Shape]]:
    """Yield pictures, and the rows and columns of the project that each is sent to."""
    rng = np.random.default_rng(1)
    yield written("λ", "#203080", "#e8e0c0", (80, 20)), SQUARE
    yield written("☂", "white", "#104030"), SQUARE
    yield written("♠", "black", "white"), SQUARE
    yield written("☢", "black", "#ffd000"), SQUARE
    shirt, boot, bag = (garment(outline, rng) for outline in (SHIRT, BOOT, BAG))
    yield shirt, SQUARE
    yield boot, SQUARE
    yield ImageOps.invert(bag).resize(SQUARE, Resampling.BOX), SQUARE
    yield written("seven", "#303030", "#f4f0e8"), WORD
    yield written("Vienna", "#f0f0ff", "#405080", (30, 70)), WORD
    word = ImageOps.invert(written("oak", "black", "white").convert("L"))
    yield word.resize(WORD[::-1], Resampling.BOX), WORD


def main() -> None:
    """Draw every picture above what each preparation makes of it."""
    rows: dict[str, list[Bytes | None]] = {"sent": []}
    names: tuple[PicturePreparation, ...] = get_args(PicturePreparation)
    for picture, shape in examples():
        rows["sent"].append(tile(ImageOps.contain(picture, CELL[::-1], Resampling.BOX)))
        for name in sorted(names, key=("ink", "fit", "as_is").index):
            rows.setdefault(name, []).append(seen(picture, Format(*shape, name)))
    drawing.save(preparations(rows, CELL), PICTURE)


def seen(picture: Image.Image, format: Format) -> Bytes | None:  # noqa: A002
    """Return a tile with the prepared picture, three times as large; None if it is refused."""
    try:
        image = Image.fromarray(prepared(picture, format))
    except ImageError:
        return None
    return tile(image.resize((3 * image.width, 3 * image.height), Resampling.NEAREST))


def tile(picture: Image.Image) -> Bytes:
    """Put a picture into the middle of a grey cell."""
    rows, columns = CELL
    return np.asarray(ImageOps.pad(picture.convert("RGB"), (columns, rows), color="#dddddd"))


if __name__ == "__main__":
    main()
