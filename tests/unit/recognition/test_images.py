"""Images as people send them: every way to send one is accepted, everything else refused."""

import base64
import io
import re
import resource
import struct
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from hpoe.data.mnist import Mnist
from hpoe_recognition.formats import MNIST
from hpoe_recognition.images import (
    KINDS,
    SUFFIXES,
    ImageError,
    Limits,
    decode,
    read_image,
)
from hpoe_recognition.preprocessing import already_prepared, as_ink

LIMITS = Limits()
FORMATS = tuple(SUFFIXES)
ORIENTATION = 0x0112
Bytes = NDArray[np.uint8]


def corner(side: int = 40) -> Image.Image:
    """An L of dark ink on white, unlike itself however it is turned or mirrored."""
    picture = Image.new("L", (side, side + 10), 255)
    picture.paste(20, (8, 8, 14, 40))
    picture.paste(20, (8, 34, 24, 40))
    return picture


def file_of(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def read(picture: Image.Image, format: str = "PNG", **options: Any) -> Bytes:  # noqa: A002
    return read_image(text_of(file_of(picture, format, **options)), LIMITS, MNIST)


def assert_alike(found: Bytes, expected: Bytes) -> None:
    assert found.any()
    assert np.abs(found.astype(float) - expected).mean() < 4


def typical_difference(found: Iterable[Bytes], expected: Iterable[Bytes]) -> float:
    """The median, over images, of the mean difference in grey levels; 28 is that of a blank."""
    pairs = zip(found, expected, strict=True)
    return float(np.median([np.abs(a.astype(float) - b).mean() for a, b in pairs]))


# MNIST's own format


@pytest.mark.slow
def test_all_of_mnist_is_in_mnists_format(mnist: Mnist) -> None:
    images = np.concatenate([mnist.train_images, mnist.test_images])
    found = [already_prepared(Image.fromarray(image), MNIST.shape) for image in images]
    np.testing.assert_array_equal(np.stack([f for f in found if f is not None]), images)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_mnists_digits_come_back_byte_for_byte(mnist: Mnist, mode: str) -> None:
    for image in mnist.test_images[::100]:
        found = read(Image.fromarray(image).convert(mode))
        assert found.tobytes() == image.tobytes()
        assert found.shape == (28, 28)
        assert found.dtype == np.uint8


def test_in_colour_or_dark_on_white_mnists_size_is_no_mnist_format(mnist: Mnist) -> None:
    image = Image.fromarray(mnist.train_images[0])
    for picture in (ImageOps.invert(image), ImageOps.colorize(image, "black", "yellow")):
        assert already_prepared(picture, MNIST.shape) is None
        assert_alike(read(picture), mnist.train_images[0])


def scaled(image: Bytes) -> Bytes:
    """A digit scaled to 26 rows."""
    rows = np.flatnonzero(image.any(axis=1))
    columns = np.flatnonzero(image.any(axis=0))
    ink = Image.fromarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    width = min(26, round(ink.width * 26 / ink.height))
    canvas = Image.new("L", (28, 28))
    canvas.paste(ink.resize((width, 26), Image.Resampling.BILINEAR), ((28 - width) // 2, 1))
    return np.asarray(canvas)


def in_the_corner(image: Bytes) -> Bytes:
    """A digit with its ink at the upper left edges."""
    rows, columns = (int(np.flatnonzero(image.any(axis=axis))[0]) for axis in (1, 0))
    return np.roll(image, (-rows, -columns), (0, 1))


def moved(image: Bytes) -> Bytes:
    """A digit moved by 4 pixels, as far as its place allows."""
    return np.roll(image, (-4, 4), (0, 1))


@pytest.mark.parametrize("placed", [scaled, in_the_corner, moved])
def test_a_light_digit_of_mnists_size_that_is_placed_otherwise_is_normalised(
    mnist: Mnist, placed: Callable[[Bytes], Bytes]
) -> None:
    """As the same pixels in the middle of a larger black picture are."""
    images = mnist.train_images[:300:3]
    pictures = [Image.fromarray(placed(image)) for image in images]
    found = [read(picture) for picture in pictures]
    np.testing.assert_array_equal(found, [as_ink(picture, MNIST.shape) for picture in pictures])
    assert typical_difference(found, images) < 6


@pytest.mark.parametrize(
    ("kind", "highest"),
    [(np.uint16, 255), (np.uint16, 1023), (np.uint16, 65535), (np.uint8, 1), (np.uint8, 15)],
)
@pytest.mark.parametrize("light", [True, False])
def test_the_range_of_the_values_decides_not_that_of_the_file(
    mnist: Mnist, kind: type[np.unsignedinteger[Any]], highest: int, light: bool
) -> None:
    images = mnist.train_images[:300:10]
    values = np.round((images / 255.0 if light else 1 - images / 255.0) * highest).astype(kind)
    found = [read(Image.fromarray(each)) for each in values]
    assert typical_difference(found, images) < (9 if highest == 1 else 3)


def sheet(image: Bytes, paper: str, ink: str) -> Image.Image:
    """A digit on a sheet of paper, in RGBA."""
    canvas = Image.new("L", (200, 240))
    canvas.paste(Image.fromarray(image).resize((140, 140)), (30, 50))
    return ImageOps.colorize(canvas, paper, ink).convert("RGBA")


def rounded(picture: Image.Image) -> Image.Image:
    """Cut off a picture's corners."""
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *(side - 1 for side in picture.size)), 60, 255)
    picture.putalpha(mask)
    return picture


def turned_a_little(picture: Image.Image) -> Image.Image:
    """Turn a picture by 12 degrees; its corners are transparent then."""
    return picture.rotate(12, Image.Resampling.BICUBIC, expand=True)


@pytest.mark.parametrize(
    "colours", [("white", "black"), ("#e8e0c0", "#203080"), ("black", "white")]
)
@pytest.mark.parametrize("cut", [rounded, turned_a_little])
def test_a_sheet_with_transparent_corners_goes_on_in_its_own_colour(
    mnist: Mnist, cut: Callable[[Image.Image], Image.Image], colours: tuple[str, str]
) -> None:
    for image in mnist.train_images[:100:10]:
        picture = cut(sheet(image, *colours))
        paper = Image.new("RGBA", picture.size, colours[0])
        whole = Image.alpha_composite(paper, picture).convert("RGB")
        np.testing.assert_allclose(read(picture), read(whole), atol=3)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(4032, 3024), (8160, 6120)])
def test_a_phones_photo_is_read_in_bounded_memory(
    mnist: Mnist,
    format: str,  # noqa: A002
    size: tuple[int, int],
) -> None:
    digit = Image.fromarray(255 - mnist.train_images[7]).resize((1400, 1400))
    photo = Image.new("RGB", size, "white")
    photo.paste(digit.convert("RGB"), (900, 700))
    text = text_of(file_of(photo, format))
    del photo
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        found, grown = other.submit(peak_of_reading, text).result()
    assert np.abs(found.astype(float) - mnist.train_images[7]).mean() < 4
    assert grown < (260 if format == "PNG" else 160) * 2**20


def peak_of_reading(text: str) -> tuple[Bytes, int]:
    """Read an image; return it, and how many bytes more than before this process has had."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_image(text, LIMITS, MNIST)
    return found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


# Ways to send a file


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        *((form, mode) for form in FORMATS for mode in ("L", "RGB")),
        *(("PNG", mode) for mode in ("1", "P", "LA", "RGBA", "I;16")),
        *((form, "1") for form in ("BMP", "TIFF")),
        *(("TIFF", mode) for mode in ("P", "LA", "RGBA", "CMYK", "I;16")),
        ("BMP", "P"),
        ("JPEG", "CMYK"),
    ],
)
def test_every_format_and_mode_is_accepted(format: str, mode: str) -> None:  # noqa: A002
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(corner()).astype(np.uint16) * 257)
    else:
        picture = corner().convert(mode)
    assert_alike(read(picture, format), read(corner()))


@given(st.binary(min_size=1, max_size=300), st.data())
def test_base64_is_taken_in_both_alphabets_with_whitespace_and_without_padding(
    content: bytes, data: st.DataObject
) -> None:
    encode = data.draw(st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
    text = encode(content).decode()
    for variant in (
        text,
        text.rstrip("="),
        f" {text}\n",
        "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
        f"data:image/png;base64,{text}",
        f"DATA:;BASE64,{text}",
        f"\n data:image/svg+xml;charset=utf-8;base64, {text}",
    ):
        assert decode(variant, LIMITS) == content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_turned_as_exif_says(format: str, orientation: int) -> None:  # noqa: A002
    """What a camera that was held so stores, the inverse of what a viewer has to do."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert_alike(read(turned(orientation), format, exif=exif), read(corner()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_xmp_says(orientation: int) -> None:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    found = read(turned(orientation), "JPEG", xmp=xmp.encode())
    assert_alike(found, read(corner()))


def turned(orientation: int) -> Image.Image:
    """What a camera stores that was held so."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return corner().transpose(turn[orientation]) if orientation in turn else corner()


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_exif_that_cannot_be_read_is_passed_over(exif: bytes) -> None:
    assert_alike(read(corner(), "JPEG", exif=exif), read(corner()))


@pytest.mark.parametrize("ink", ["black", "white", "#204080"])
def test_drawings_on_a_transparent_ground_are_seen(ink: str) -> None:
    picture = Image.new("RGBA", corner().size, (0, 0, 0, 0))
    picture.paste(ink, mask=ImageOps.invert(corner()).point(lambda level: 255 * (level > 99)))
    for form in ("PNG", "WEBP", "GIF"):
        assert_alike(read(picture, form), read(corner()))


def test_an_mnist_digit_in_the_alpha_channel_alone_is_seen(mnist: Mnist) -> None:
    image = mnist.train_images[5]
    found = read(Image.merge("LA", (Image.new("L", (28, 28), 255), Image.fromarray(image))))
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(format: str) -> None:  # noqa: A002
    others = [Image.new("L", corner().size, level) for level in (0, 128)]
    content = {"save_all": True, "append_images": others, "duration": 100}
    assert_alike(read(corner(), format, **content), read(corner()))


# What is refused


REFUSED: list[tuple[object, str]] = [
    *((None, "is null"), (float("nan"), "is a number"), (True, "is a truth value")),
    *(([[0] * 28] * 28, "is a list"), ({"image": ""}, "is an object"), (b"iVBO", "is not text")),
    *((text, "is empty") for text in (" \n", "====", "data:image/png;base64,  ")),
    *((text, "is not base64") for text in ("a", "!!!!", "aGVsbG8=aGVsbG8=", "été", "\ud800")),
    *((text, "is a data: URL without base64") for text in ("data:,7", "data:image/png,iVBOR")),
]


@pytest.mark.parametrize(("value", "says"), REFUSED)
def test_what_is_no_base64_is_refused_with_what_it_is(value: object, says: str) -> None:
    with pytest.raises(ImageError, match=f"^the image {says}: send base64 of a PNG, JPEG, WebP"):
        read_image(value, LIMITS, MNIST)


OTHER_FILES = {
    "PDF": file_of(corner(), "PDF"),
    "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>",
    "text": b"a seven",
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_are_refused_with_how_they_begin(name: str) -> None:
    start = "begins with '%PDF-1" if name == "PDF" else ""
    with pytest.raises(ImageError, match=rf"is not a {KINDS} file, it .*{start}"):
        read_image(text_of(OTHER_FILES[name]), LIMITS, MNIST)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_a_phones_heic_is_refused_with_how_to_convert_it(brand: bytes) -> None:
    with pytest.raises(ImageError, match=r"is a HEIC file, .* send it as JPEG"):
        read_image(text_of(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic"), LIMITS, MNIST)


def noise() -> Image.Image:
    """A picture whose files are long enough to be cut anywhere."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_file_that_is_cut_short_is_refused(format: str, part: float) -> None:  # noqa: A002
    content = file_of(noise(), format)
    with pytest.raises(ImageError, match=r"^the image is damaged or cut short: send the whole"):
        read_image(text_of(content[: int(part * len(content))]), LIMITS, MNIST)


@pytest.mark.slow
def test_the_largest_image_may_be_in_colour_and_incompressible() -> None:
    """No PNG of 4000 x 4000 pixels in RGB is longer: noise cannot be packed."""
    noise = np.random.default_rng(0).integers(0, 256, (4000, 4000, 3), np.uint8)
    assert read(Image.fromarray(noise), compress_level=0).shape == (28, 28)


def test_every_limit_counts() -> None:
    text = text_of(file_of(Image.new("L", (30, 20))))
    read_image(text, Limits(20, 600, len(text)), MNIST)
    for limits in (
        Limits(21, 600, len(text)),
        Limits(20, 599, len(text)),
        Limits(20, 600, len(text) - 1),
    ):
        with pytest.raises(ImageError):
            read_image(text, limits, MNIST)


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG with a header of one's choice."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in chunks)


@pytest.mark.parametrize("side", [7072, 13_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    """There is nothing to decode in these files: who tried would find them cut short."""
    with pytest.raises(ImageError, match=r"send (at most 50,000,000|fewer pixels)"):
        read_image(text_of(png(side, side, b"")), LIMITS, MNIST)


def real_files() -> list[bytes]:
    """Files of every format and some modes, with EXIF and animation."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture = corner(30).convert("RGB")
    frames: dict[str, Any] = {"save_all": True, "append_images": [noise().resize(picture.size)]}
    return [
        file_of(picture.convert("P")),
        file_of(picture.convert("RGBA"), exif=exif),
        file_of(picture, **frames),
        file_of(picture, "JPEG", exif=exif, progressive=True),
        file_of(picture, "MPO", **frames),
        file_of(picture, "WEBP", exif=exif),
        file_of(picture, "WEBP", lossless=True, **frames),
        file_of(picture, "GIF", **frames),
    ]


FILES = real_files()


@st.composite
def mutated_files(draw: Callable[..., Any]) -> bytes:
    """A real file with some bytes changed, some cut out or doubled, or its end cut off."""
    content = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content) - 1))
        length = draw(st.integers(1, 8))
        match draw(st.sampled_from(["change", "cut", "double", "end"])):
            case "change":
                content[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "cut" if len(content) > at + length:
                del content[at : at + length]
            case "double":
                content[at:at] = content[at : at + length]
            case "end":
                del content[at + 1 :]
    return bytes(content)


def assert_answered_or_refused(text: object) -> None:
    """A digit, or one sentence; warnings are errors in all tests."""
    message = ""
    try:
        assert read_image(text, LIMITS, MNIST).shape == (28, 28)
    except ImageError as error:
        message = str(error)
    assert re.fullmatch("(the image [^\n]*: send [^\n]*)?", message)


@pytest.mark.slow
@settings(max_examples=1000)
@given(mutated_files())
def test_mutated_files_are_answered_or_refused(content: bytes) -> None:
    assert_answered_or_refused(text_of(content))
