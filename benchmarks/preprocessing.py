"""Measure how well and how fast preprocessing recovers MNIST's images from pictures made of them.

    python -m benchmarks.preprocessing

Every picture is made of a training image, so that the right result is known. The difference is the
mean absolute difference of grey levels; a digit moved by one pixel counts as not moved, because the
models choose among such shifts.
"""

import io
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from PIL.Image import Resampling

from benchmarks.measuring import console, table, timed
from benchmarks.pictures import preprocessed
from benchmarks.surroundings import SURROUNDINGS
from hpoe.data.mnist import load
from hpoe.evaluation import drawing
from hpoe.files import write_json
from hpoe_recognition.formats import MNIST
from hpoe_recognition.images import Limits, read_image

RAW, REPORT = Path("data/raw"), Path("reports/benchmarks/preprocessing.json")
PICTURE = Path("docs/images/preprocessing.png")
IMAGES, SHOWN = 200, (2, 4, 7, 8)
TILE = 84  # pixels per side of a shown picture, three times MNIST's

Bytes = NDArray[np.uint8]
Maker = Callable[[Image.Image, np.random.Generator], Image.Image]


def placed(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Enlarge a digit 6 to 12 times, off centre on a canvas up to twice as large."""
    side = round(28 * rng.uniform(6, 12))
    width, height = (round(side * rng.uniform(1.1, 2)) for _ in range(2))
    at = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
    canvas = Image.new("L", (width, height))
    canvas.paste(digit.resize((side, side), Resampling.BICUBIC), at)
    return canvas


def inverted(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draw black on white."""
    return ImageOps.invert(placed(digit, rng))


def small(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Place a digit on a canvas ten times as large."""
    canvas = Image.new("L", (900, 900), 255)
    x, y = rng.integers(0, 800, 2)
    canvas.paste(ImageOps.invert(digit.resize((90, 90), Resampling.BICUBIC)), (int(x), int(y)))
    return canvas


def thick(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draw with a broad pen."""
    return ImageOps.invert(placed(digit, rng).filter(ImageFilter.MaxFilter(19)))


def tinted(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Use ink and paper of any colours, light or dark, saved as JPEG of quality 60."""
    while True:
        ink, paper = rng.integers(0, 256, (2, 3))
        if abs((ink - paper) @ (0.299, 0.587, 0.114)) >= 80:
            break
    colours = (tuple(map(int, paper)), tuple(map(int, ink)))
    return jpeg(ImageOps.colorize(placed(digit, rng), *colours), 60)


def photo(digit: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Dark ink on paper under a lamp, crossed by a hand's shadow, a little blurred and noisy."""
    sheet = np.asarray(ImageOps.colorize(placed(digit, rng), "#f2efe4", "#2a2c48"), float)
    height, width = sheet.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lamp, hand = rng.uniform(0, 2 * np.pi, 2)
    light = 0.75 + 0.2 * (x * np.cos(lamp) + y * np.sin(lamp))
    across = x * np.cos(hand) + y * np.sin(hand) - rng.uniform(-0.5, 0.5)
    light = light * (1 - 0.35 / (1 + np.exp(-across / 0.03)))
    levels = sheet * light[..., None] + rng.normal(0, 4, sheet.shape)
    blurred = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    return jpeg(blurred.filter(ImageFilter.GaussianBlur(1)), 80)


def surrounded(name: str) -> Maker:
    """Draw with what else people's pictures show."""
    return lambda digit, rng: SURROUNDINGS[name](np.asarray(digit), rng)


KINDS: dict[str, Maker] = {
    **{name: surrounded(name) for name in SURROUNDINGS if name != "plain"},
    "photo": photo,
    "tinted JPEG": tinted,
    "broad pen": thick,
    "inverted": inverted,
    "small": small,
    "MNIST's own": lambda digit, _: digit,
}


def main() -> None:
    """Print and keep one row per kind of picture; draw some of each."""
    mnist = load(RAW)
    digits = mnist.train_images[:IMAGES]
    headings = ("kind", "difference", "ms per image")
    summary = table(f"{IMAGES} training images as pictures", *headings, left=("kind",))
    chosen = [np.flatnonzero(mnist.train_labels == digit)[1] for digit in SHOWN]
    rows, shown = {}, {}
    for kind, maker in KINDS.items():
        pictures = [
            maker(Image.fromarray(digit), np.random.default_rng(at))
            for at, digit in enumerate(digits)
        ]
        seen, seconds = read(pictures)
        rows[kind] = {"difference": difference(seen, digits), "ms_an_image": 1000 * seconds}
        summary.add_row(kind, f"{rows[kind]['difference']:.1f}", f"{1000 * seconds:.2f}")
        shown[kind.replace(" ", "\n")] = np.stack(
            [[tile(pictures[at]), tile(Image.fromarray(seen[at]))] for at in chosen]
        )
    console.print(summary)
    write_json(REPORT, {"images": IMAGES, "rows": rows})
    drawing.save(preprocessed(shown), PICTURE)


def read(pictures: list[Image.Image]) -> tuple[Bytes, float]:
    """Preprocess pictures sent as files; return the images, and the median seconds per image."""
    seen, seconds = [], []
    for picture in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        text = b64encode(buffer.getvalue()).decode()
        taken, image = timed(partial(read_image, text, Limits(), MNIST))
        seen.append(image)
        seconds.append(taken)
    return np.stack(seen), float(np.median(seconds))


def difference(seen: Bytes, digits: Bytes) -> float:
    """Mean absolute difference of images [N, 28, 28], each moved by a pixel if that is closer."""
    moved = [np.roll(seen, (y, x), (1, 2)).astype(float) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    distances = [np.abs(version - digits).mean(axis=(1, 2)) for version in moved]
    return float(np.min(distances, axis=0).mean())


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Save a picture as JPEG and open it again."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def tile(picture: Image.Image) -> Bytes:
    """Fit a picture into a square, padded in grey."""
    enlarged = ImageOps.contain(picture.convert("RGB"), (TILE, TILE), Resampling.BOX)
    return np.asarray(ImageOps.pad(enlarged, (TILE, TILE), color="#dddddd"))


if __name__ == "__main__":
    main()
