"""Formats: any picture brought to any size from 8 x 8 to 64 x 64, alike at intake and when sent."""

import base64
import io
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from benchmarks.preprocessing import difference
from benchmarks.surroundings import SURROUNDINGS
from hpoe.data.mnist import Mnist
from hpoe_recognition.formats import MNIST, Format, PicturePreparation, placed, prepared
from hpoe_recognition.images import ImageError, Limits, base64_png, open_picture, read_image
from hpoe_recognition.preprocessing import room

Bytes = NDArray[np.uint8]
BEFORE = Path(__file__).parent / "mnist_format.png"
"""What MNIST's format was for `pictures` when there was no other, a column of 28 x 28 tiles."""
SIDE = st.integers(8, 64)
POINT = st.tuples(st.floats(0.15, 0.85), st.floats(0.15, 0.85))
PREPARATIONS = st.sampled_from(get_args(PicturePreparation))


def drawn(
    points: list[tuple[float, float]], size: tuple[int, int] = (200, 160), pen: int = 12
) -> Image.Image:
    """A dark line from point to point on white paper; points as fractions of the size."""
    picture = Image.new("L", size, 255)
    line = [(x * size[0], y * size[1]) for x, y in points]
    ImageDraw.Draw(picture).line(line, fill=0, width=pen, joint="curve")
    return picture


def enlarged(picture: Image.Image, times: int) -> Image.Image:
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def again(image: Bytes, format: Format) -> Bytes:  # noqa: A002
    return prepared(Image.fromarray(image), format)


def pictures(mnist: Mnist) -> Iterator[Image.Image]:
    """Digits among other things, and drawings in colours: a hundred of each."""
    for at, surroundings in product(range(10), SURROUNDINGS.values()):
        yield surroundings(mnist.train_images[at], np.random.default_rng(at))
    rng = np.random.default_rng(0)
    for _ in range(100):
        points = [(float(x), float(y)) for x, y in rng.uniform(0.1, 0.9, (rng.integers(2, 6), 2))]
        width, height = (int(side) for side in rng.integers(30, 400, 2))
        ink, paper = ("#" + bytes(rng.integers(0, 256, 3, np.uint8)).hex() for _ in range(2))
        line = drawn(points, (width, height), int(rng.integers(1, 20)))
        yield ImageOps.colorize(line, ink, paper)


def test_mnists_format_is_what_it_was_before_there_were_others(mnist: Mnist) -> None:
    """To one grey level: processors differ in the last bit of a sum."""
    before = np.asarray(Image.open(BEFORE)).reshape(-1, 28, 28)
    found = np.stack([prepared(picture, MNIST) for picture in pictures(mnist)])
    assert np.abs(found.astype(int) - before).max() <= 1


# Any size


@given(
    arrays(
        np.uint8,
        array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=40)
        | array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=30).map(lambda s: (*s, 3)),
        elements=st.sampled_from([0, 1, 100, 128, 254, 255]),
    ),
    SIDE,
    SIDE,
)
def test_any_picture_gives_an_array_of_any_size(levels: Bytes, rows: int, columns: int) -> None:
    """And what it gives, `fit` leaves as it is."""
    for preparation in ("ink", "fit"):
        form = Format(rows, columns, preparation)
        found = prepared(Image.fromarray(levels), form)
        assert found.shape == (rows, columns)
        assert found.dtype == np.uint8
    np.testing.assert_array_equal(again(found, form), found)


@given(st.integers(60, 150), st.integers(60, 150), SIDE, SIDE)
def test_ink_fills_its_room_with_its_aspect_ratio_kept(
    width: int, height: int, rows: int, columns: int
) -> None:
    """Of rectangles without their upper side, drawn with a usual pen.

    One side is that of the room, the other as long as the ratio says, to a pixel; and once
    prepared, the picture is left as it is.
    """
    form = Format(rows, columns, "ink")
    most_rows, most_columns = room(form.shape)
    scale = max(width / most_columns, height / most_rows)
    picture, pen = Image.new("L", (240, 240), 255), round(0.12 * scale * min(room(form.shape)))
    picture.paste(0, (20, 30, 20 + width, 30 + height))
    picture.paste(255, (20 + pen, 30, 20 + width - pen, 30 + height - pen))
    found = prepared(picture, form)
    sides = [np.ptp(np.flatnonzero(found.any(axis=axis))) + 1 for axis in (1, 0)]
    assert sides[0] == most_rows or sides[1] == most_columns
    assert np.abs(np.array(sides) - (height / scale, width / scale)).max() <= 1
    np.testing.assert_array_equal(again(found, form), found)


@given(st.lists(POINT, min_size=2, max_size=5, unique=True), SIDE, SIDE, st.integers(2, 4))
def test_larger_and_inverted_pictures_give_nearly_the_same(
    points: list[tuple[float, float]], rows: int, columns: int, times: int
) -> None:
    """Moved by a pixel at most where its centre of mass is between two; of few, that is much.

    `fit` tells dark from light by the border, so that it is the same either way, too.
    """
    picture = drawn(points)
    ink = 8 if min(rows, columns) >= 16 else 32
    for form, most in ((Format(rows, columns, "ink"), ink), (Format(rows, columns, "fit"), 3)):
        found, larger = prepared(picture, form), prepared(enlarged(picture, times), form)
        assert difference(found[None], larger[None]) <= most
        inverted = prepared(ImageOps.invert(picture), form)
        assert difference(found[None], inverted[None]) <= 1


@pytest.mark.parametrize("side", [8, 14, 28, 40, 64])
def test_strokes_are_as_broad_as_the_figure_asks_at_any_size(side: int) -> None:
    """Hairlines and bars become a tenth and at most a fifth of the figure's height or so."""
    for pen, least, most in ((2, 0.05, 0.16), (12, 0.05, 0.16), (50, 0.1, 0.32)):
        bracket = drawn([(0.7, 0.15), (0.3, 0.15), (0.3, 0.85), (0.7, 0.85)], (300, 400), pen)
        image = prepared(bracket, Format(side, side, "ink")) / np.float32(255)
        thickness = float(image[side // 2].sum())
        assert least < thickness / room((side, side))[0] < most, pen


@pytest.mark.parametrize("shape", [(8, 8), (20, 32), (64, 8)])
@pytest.mark.parametrize("preparation", ["ink", "fit"])
def test_blank_pictures_of_any_size_are_black(
    shape: tuple[int, int], preparation: PicturePreparation
) -> None:
    for size, level in product([shape[::-1], (8, 8), (300, 20)], (0, 90, 255)):
        assert not prepared(Image.new("L", size, level), Format(*shape, preparation)).any()
        paper = Image.new("RGB", size, (level, 70, 255 - level))
        assert not prepared(paper, Format(*shape, preparation)).any()


@given(SIDE, SIDE, PREPARATIONS.filter(lambda name: name != "as_is"), st.booleans())
def test_a_picture_of_one_pixel_or_of_one_line_has_ink(
    rows: int, columns: int, preparation: PicturePreparation, upright: bool
) -> None:
    """One dark pixel in 9 x 11, and a line across a picture of 2000 x 9."""
    form = Format(rows, columns, preparation)
    dot, line = Image.new("L", (9, 11), 255), Image.new("L", (2000, 9), 255)
    dot.putpixel((4, 5), 0)
    line.paste(0, (300, 3, 1700, 6))
    for picture in (dot, line):
        found = prepared(picture.transpose(Image.Transpose.ROTATE_90) if upright else picture, form)
        assert found.shape == form.shape
        assert found.max() > 128


def test_a_pale_figure_beside_a_dark_edge_is_seen() -> None:
    """None of it is as dark as half of the edge is."""
    picture = Image.new("L", (100, 100), 255)
    picture.paste(0, (0, 95, 12, 100))
    picture.paste(160, (20, 20, 60, 30))
    picture.paste(160, (20, 20, 30, 70))
    assert prepared(picture, MNIST).any()


# The whole picture


def test_fit_keeps_all_of_a_picture_in_the_middle_at_full_contrast() -> None:
    """96 x 48 pixels in 24 x 16: four make one, and two rows are left on both sides."""
    picture = Image.new("L", (96, 48), 230)
    picture.paste(30, (0, 0, 8, 8))
    picture.paste(120, (76, 28, 96, 44))
    found = prepared(picture, Format(16, 24, "fit"))
    expected = np.zeros((16, 24))
    expected[2:4, :2], expected[9:13, 19:] = 255, 140
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("background", [0, 20, 235, 255])
def test_the_background_of_a_fitted_picture_is_zero(background: int) -> None:
    rng = np.random.default_rng(0)
    levels = np.clip(rng.normal(background, 2, (60, 60)), 0, 255).astype(np.uint8)
    levels[20:40, 25:45] = 255 - background
    found = prepared(Image.fromarray(levels), Format(20, 20, "fit"))
    assert found[1:19, 1:7].mean() < 2
    assert found[9, 11] == 255


def test_no_level_is_lost_where_much_is_darker_than_the_background() -> None:
    levels = np.full((32, 32), 110, np.uint8)
    levels[8:16, 8:24], levels[16:24, 8:24] = 10, 250
    found = prepared(Image.fromarray(levels), Format(8, 8, "fit"))
    assert found[3, 4] == 0
    assert found[5, 4] == 255
    assert 90 < found[0, 0] < 120


def test_colours_of_one_lightness_are_told_apart() -> None:
    picture = Image.new("RGB", (64, 64), "#00803a")
    picture.paste("#fa0010", (20, 20, 44, 44))
    found = prepared(picture, Format(16, 16, "fit"))
    assert found[8, 8] == 255
    assert found[1, 1] == 0


def test_what_has_the_size_and_a_dark_background_is_fitted_unchanged(mnist: Mnist) -> None:
    for image in mnist.train_images[:50]:
        np.testing.assert_array_equal(again(image, Format(28, 28, "fit")), image)
        image = np.maximum(image, 255 * (image == image.max()).astype(np.uint8))
        light = prepared(ImageOps.invert(Image.fromarray(image)), Format(28, 28, "fit"))
        np.testing.assert_array_equal(light, image)


# As it is


@given(arrays(np.uint8, st.tuples(SIDE, SIDE), elements=st.integers(0, 255)), st.booleans())
def test_as_is_takes_grey_pictures_of_its_size_unchanged(levels: Bytes, colour: bool) -> None:
    """Counts of up to 16 levels are brought to 256, here as in all preparations."""
    levels[0, 0] = 200
    picture = Image.fromarray(levels).convert("RGB" if colour else "L")
    np.testing.assert_array_equal(
        prepared(picture, Format(len(levels), levels.shape[1], "as_is")), levels
    )


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (Image.new("L", (30, 20)), "30 x 20 pixels: send 32 x 20 pixels in grey"),
        (Image.new("L", (20, 32)), "20 x 32 pixels: send 32 x 20 pixels in grey"),
        (
            Image.new("RGB", (32, 20), (90, 90, 91)),
            "32 x 20 pixels in colour: send 32 x 20 pixels in grey",
        ),
    ],
)
def test_as_is_refuses_another_size_or_colour(picture: Image.Image, says: str) -> None:
    with pytest.raises(ImageError, match=f"^the image is {says}$"):
        prepared(picture, Format(20, 32, "as_is"))


# Intake and server


def files() -> Iterator[bytes]:
    """One picture in every mode and size that matter."""
    grey = drawn([(0.2, 0.2), (0.8, 0.3), (0.4, 0.8)], (32, 20), 3)
    large = drawn([(0.2, 0.2), (0.8, 0.3), (0.4, 0.8)], (320, 240), 20)
    cut_out = Image.new("RGBA", large.size, (0, 0, 0, 0))
    cut_out.paste("#204080", mask=ImageOps.invert(large))
    few = Image.fromarray((np.asarray(grey) // 40).astype(np.uint8))
    for picture in (grey, ImageOps.invert(grey), large, large.convert("RGB"), cut_out, few):
        yield file_of(picture)
    yield file_of(cut_out.quantize(16))
    yield file_of(large.convert("1"))
    yield file_of(Image.fromarray(np.asarray(large).astype(np.uint16) * 200))
    yield file_of(ImageOps.colorize(large, "#403020", "#ffeecc"), "JPEG")
    yield file_of(large.convert("CMYK"), "TIFF")


def file_of(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def outcome(of: Callable[..., Bytes], *arguments: Any) -> object:
    try:
        return of(*arguments).tolist()
    except ImageError as error:
        return str(error)


@pytest.mark.parametrize("preparation", get_args(PicturePreparation))
@pytest.mark.parametrize("shape", [(28, 28), (20, 32), (8, 64)])
def test_intake_and_server_agree(shape: tuple[int, int], preparation: PicturePreparation) -> None:
    """On files, and on the prepared image when it is sent as a PNG."""
    form, limits, taken = Format(*shape, preparation), Limits(), 0
    for content in files():
        picture = open_picture(content, limits)
        at_intake = outcome(prepared, picture, form)
        text = base64.b64encode(content).decode()
        assert outcome(read_image, text, limits, form) == at_intake
        if not isinstance(at_intake, str):
            image, taken = np.array(at_intake, np.uint8), taken + 1
            assert read_image(base64_png(image), limits, form).tolist() == at_intake
            assert outcome(prepared, Image.open(io.BytesIO(content)), form) == at_intake
    assert taken == (11 if preparation != "as_is" else 3 if shape == (20, 32) else 0)


# Figures


@given(
    arrays(np.float32, st.tuples(SIDE, SIDE), elements=st.sampled_from([0, 0.25, 0.5, 1])),
    SIDE,
    SIDE,
    PREPARATIONS,
)
def test_a_figure_is_placed_in_any_format(
    figure: NDArray[np.float32], rows: int, columns: int, preparation: PicturePreparation
) -> None:
    form, before = Format(rows, columns, preparation), figure.copy()
    found = placed(figure, form)
    assert found.shape == (rows, columns)
    assert found.dtype == np.uint8
    assert found.max() == 255 * figure.any() or preparation == "as_is"
    np.testing.assert_array_equal(figure, before)


def test_mnists_digits_are_placed_where_they_are(mnist: Mnist) -> None:
    """Whole, or moved and brought back to the middle by their ink."""
    for image in mnist.train_images[:20]:
        values = image / np.float32(image.max())
        for whole in (Format(28, 28, "fit"), Format(28, 28, "as_is")):
            np.testing.assert_array_equal(placed(values, whole), np.rint(255 * values))
        found = placed(np.roll(values, (3, -2), (0, 1)), MNIST)
        assert found.max() == 255
        np.testing.assert_array_equal(again(found, MNIST), found)
