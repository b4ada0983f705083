"""Conversion of encoded image files to digits in MNIST's format.

The input is untrusted: whatever it is, the result is an image or an ImageError.
"""

import base64
import binascii
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError

from hpoe_recognition.preprocessing import SIDE, Digit, as_mnist

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
SEND = "send base64 of a PNG, JPEG, WebP or GIF file"
JSON_NAMES = {
    type(None): "null",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")
WHITESPACE = b" \t\r\n\f\v"
SHOWN_BYTES = 12
_PILLOW = Lock()


class ImageError(ValueError):
    """The text is not an image, or the image is damaged or beyond the limits."""


@dataclass(frozen=True)
class Limits:
    """Limits on the size of an image."""

    least_side: int = 8
    """Pixels."""
    most_side: int = 4000
    """Pixels."""
    most_pixels: int = 16_000_000
    """Width times height, checked in the header before decoding."""
    most_encoded_bytes: int = 64 * 2**20
    """Length of the file in base64: enough for any 4000 x 4000 colour image."""


def read_image(text: object, limits: Limits) -> Digit:
    """Read an image in MNIST's format, uint8 [28, 28], from base64 or a data: URL of its file.

    An image that is in MNIST's format already is returned unchanged.

    Raises:
        ImageError: the text is not base64 of an image file, or the image is beyond the limits.
    """
    picture = open_picture(decode(text, limits), limits)
    digit = mnist_digit(picture)
    return as_mnist(picture) if digit is None else digit


def decode(text: object, limits: Limits) -> bytes:
    """Decode base64 or a data: URL.

    Accepts the standard and the URL-safe alphabet; ignores whitespace; padding is optional.

    Raises:
        ImageError: the value is not text, is too long, or is not base64.
    """
    if not isinstance(text, str):
        raise ImageError(f"the image is {JSON_NAMES.get(type(text), 'not text')}: {SEND}")
    if len(text) > limits.most_encoded_bytes:
        raise ImageError(
            f"the image has {len(text):,} characters of base64: send at most "
            f"{limits.most_encoded_bytes:,}"
        )
    body = text.lstrip()
    if body[:5].lower() == "data:":
        head, comma, body = body.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ImageError(f"the image is a data: URL without base64: {SEND}")
    try:
        encoded = body.encode("ascii").translate(STANDARD_ALPHABET, WHITESPACE).rstrip(b"=")
        content = binascii.a2b_base64(encoded + b"=" * (-len(encoded) % 4), strict_mode=True)
    except ValueError:
        raise ImageError(f"the image is not base64: {SEND}") from None
    if not content:
        raise ImageError(f"the image is empty: {SEND}")
    return content


def base64_png(image: Digit) -> str:
    """Encode a grey image [rows, columns] as base64 of a PNG file."""
    with BytesIO() as file:
        Image.fromarray(image).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()


def open_picture(content: bytes, limits: Limits) -> Image.Image:
    """Open an image file: its first frame, in grey or RGB, upright and without alpha.

    Raises:
        ImageError: the file is not one of FORMATS, is damaged, or is beyond the limits.
    """
    with _reading(content):
        image = Image.open(BytesIO(content), formats=FORMATS)
        _check_size(*image.size, limits)
        image.load()
        return opaque(upright(image))


def upright(image: Image.Image) -> Image.Image:
    """Rotate an image as its EXIF data says; unreadable EXIF data is ignored."""
    if "exif" in image.info:
        with suppress(Exception):
            return ImageOps.exif_transpose(image)
    return image


def opaque(image: Image.Image) -> Image.Image:
    """Convert to grey or RGB; transparent pixels become black under light ink, else white."""
    if image.mode.startswith("I"):  # 16 bits
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("L" if image.mode in ("1", "L") else "RGB")
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    ink = ImageStat.Stat(image.convert("L"), alpha).mean[0] if alpha.getbbox() else 0
    paper = Image.new("RGBA", image.size, "black" if ink > 127 else "white")
    return Image.alpha_composite(paper, image).convert("RGB")


def mnist_digit(picture: Image.Image) -> Digit | None:
    """Return the pixels if the picture is in MNIST's format: 28 x 28, grey, border mostly black."""
    if picture.size != (SIDE, SIDE):
        return None
    pixels = np.asarray(picture)
    if pixels.ndim == 3:
        if (pixels != pixels[..., :1]).any():
            return None
        pixels = np.ascontiguousarray(pixels[..., 0])
    ink = sum(map(np.count_nonzero, (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])))
    return pixels if ink <= 2 * (SIDE - 1) else None


def _check_size(width: int, height: int, limits: Limits) -> None:
    if min(width, height) < limits.least_side:
        raise ImageError(
            f"the image is {width} x {height} pixels: send at least {limits.least_side} x "
            f"{limits.least_side}"
        )
    if max(width, height) > limits.most_side or width * height > limits.most_pixels:
        raise ImageError(
            f"the image is {width} x {height} pixels: send at most {limits.most_side} x "
            f"{limits.most_side}, {limits.most_pixels:,} in all"
        )


@contextmanager
def _reading(content: bytes) -> Iterator[None]:
    """Turn any exception from Pillow into an ImageError, and ignore its warnings.

    The warning filter belongs to the whole process, hence the lock.
    """
    with _PILLOW, warnings.catch_warnings(action="ignore"):
        try:
            yield
        except ImageError:
            raise
        except UnidentifiedImageError:
            start = "".join(chr(b) if 32 <= b < 127 else "." for b in content[:SHOWN_BYTES])
            raise ImageError(
                f"the image is not a PNG, JPEG, WebP or GIF file, it begins with {start!r}: {SEND}"
            ) from None
        except Image.DecompressionBombError:
            raise ImageError("the image is far too large: send fewer pixels") from None
        except Exception:  # Pillow documents few of the exceptions that damaged files raise
            raise ImageError("the image is damaged or cut short: send the whole file") from None
