"""Conversion of encoded image files to arrays in a project's format.

The input is untrusted: whatever it is, the result is an image or an ImageError.
"""

import base64
import binascii
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hpoe_recognition.formats import Format, prepared
from hpoe_recognition.formats import ImageError as ImageError  # of this module's interface too
from hpoe_recognition.transparency import opaque

SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
"""The formats that are read, and the names that such files have."""
KINDS = "PNG, JPEG, WebP, GIF, BMP or TIFF"
SEND = f"send base64 of a {KINDS} file"
HEIC = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")
"""How the second word of such a file begins."""
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
LARGE = 16_000_000
"""Pixels from which a picture is reduced at once, which bounds the memory that it takes."""
_PILLOW = Lock()


@dataclass(frozen=True)
class Limits:
    """Limits on the size of an image."""

    least_side: int = 8
    """Pixels."""
    most_pixels: int = 50_000_000
    """Width times height, checked in the header before decoding: enough for phones' cameras."""
    most_encoded_bytes: int = 64 * 2**20
    """Length of the file in base64: enough for any 4000 x 4000 colour image."""


def read_image(text: object, limits: Limits, format: Format) -> NDArray[np.uint8]:  # noqa: A002
    """Read an image in a format, uint8 [R, C], from base64 or a data: URL of its file.

    Raises:
        ImageError: the text is not base64 of an image file, or the image is beyond the limits or
            not what the format asks for.
    """
    return prepared(open_picture(decode(text, limits), limits), format)


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


def base64_png(image: NDArray[np.uint8]) -> str:
    """Encode a grey image [rows, columns] as base64 of a PNG file."""
    with BytesIO() as file:
        Image.fromarray(image).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()


def open_picture(content: bytes, limits: Limits) -> Image.Image:
    """Open an image file: its first frame, in grey or RGB, upright and without alpha.

    Raises:
        ImageError: the file is of another format, is damaged, or is beyond the limits.
    """
    with _reading(content):
        image = Image.open(BytesIO(content), formats=tuple(SUFFIXES))
        _check_size(*image.size, limits)
        return opaque(upright(_loaded(image)))


def _loaded(image: Image.Image) -> Image.Image:
    """Decode an image, a large one at a fraction of its size."""
    factor = math.ceil(math.sqrt(image.width * image.height / LARGE))
    if factor > 1:  # JPEG can be decoded so; all others are reduced afterwards
        image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    if image.width * image.height <= LARGE:
        return image
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def upright(image: Image.Image) -> Image.Image:
    """Rotate an image as its EXIF or XMP data says; unreadable data is ignored."""
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _check_size(width: int, height: int, limits: Limits) -> None:
    if min(width, height) < limits.least_side:
        raise ImageError(
            f"the image is {width} x {height} pixels: send at least {limits.least_side} x "
            f"{limits.least_side}"
        )
    if width * height > limits.most_pixels:
        raise ImageError(
            f"the image has {width} x {height} pixels: send at most {limits.most_pixels:,}"
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
            if content[4:12].startswith(HEIC):
                raise ImageError(
                    "the image is a HEIC file, which cannot be read: send it as JPEG, as phones "
                    "export it (on an iPhone: Settings, Camera, Formats, Most Compatible)"
                ) from None
            start = "".join(chr(b) if 32 <= b < 127 else "." for b in content[:SHOWN_BYTES])
            raise ImageError(
                f"the image is not a {KINDS} file, it begins with {start!r}: {SEND}"
            ) from None
        except Image.DecompressionBombError:
            raise ImageError("the image is far too large: send fewer pixels") from None
        except Exception:  # Pillow documents few of the exceptions that damaged files raise
            raise ImageError("the image is damaged or cut short: send the whole file") from None
