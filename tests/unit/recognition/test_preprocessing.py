"""Preprocessing: real digits come back as MNIST has them, whatever they were drawn on."""

import io
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.Image import Resampling

from hpoe.data.mnist import Mnist
from hpoe_recognition.formats import MNIST
from hpoe_recognition.preprocessing import (
    as_ink,
    centred,
    ink_is_light,
    with_usual_strokes,
)

Bytes = NDArray[np.uint8]
COLOUR = st.tuples(*[st.integers(0, 255)] * 3)


@pytest.fixture(scope="module")
def digits(mnist: Mnist) -> Bytes:
    """Thirty training images, three of each digit."""
    chosen = [np.flatnonzero(mnist.train_labels == digit)[:3] for digit in range(10)]
    return mnist.train_images[np.concatenate(chosen)]


def drawn(
    digit: Bytes,
    scale: float = 8,
    at: tuple[int, int] = (40, 25),
    canvas: tuple[int, int] = (420, 380),
    filtering: Resampling = Resampling.BICUBIC,
) -> Image.Image:
    """A digit enlarged on a larger black canvas, light on dark."""
    side = round(28 * scale)
    picture = Image.new("L", canvas)
    picture.paste(Image.fromarray(digit).resize((side, side), filtering), at)
    return picture


def cut(digit: Bytes) -> Bytes:
    """A digit without its margins."""
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def ink_of(picture: Image.Image) -> Bytes:
    return as_ink(picture, MNIST.shape)


def tinted(picture: Image.Image, ink: str, paper: str) -> Image.Image:
    return ImageOps.colorize(picture, black=paper, white=ink)


def saved(picture: Image.Image, quality: int = 60) -> Image.Image:
    """What JPEG leaves of a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def lit(picture: Image.Image, light: NDArray[np.float64]) -> Image.Image:
    """A picture under a light of 0..1 a pixel, with the noise of a camera."""
    noise = np.random.default_rng(0).normal(0, 2, light.shape)
    levels = np.clip(np.asarray(picture) * light + noise, 0, 255)
    return Image.fromarray(levels.astype(np.uint8))


def difference(found: Bytes, expected: Bytes) -> float:
    """Mean absolute difference, moved by a pixel if that is nearer: models choose among shifts."""
    moved = [np.roll(found, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(float(np.abs(one.astype(float) - expected).mean()) for one in moved)


def mean_difference(pictures: list[Image.Image], expected: Bytes) -> float:
    found = [ink_of(picture) for picture in pictures]
    return float(np.mean([difference(*pair) for pair in zip(found, expected, strict=True)]))


def test_mnists_digits_are_put_where_mnist_has_them(mnist: Mnist) -> None:
    """Cut out and centred again, every thirtieth training image is what it was."""
    for image in mnist.train_images[::30]:
        np.testing.assert_array_equal(centred(cut(image), MNIST.shape), image)


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ("#000000", "#ffffff"),
        ("#ffe9a8", "#20402c"),
        ("#fa0010", "#00803a"),  # of the same lightness
    ],
)
def test_ink_of_any_colour_and_jpeg_change_little(digits: Bytes, ink: str, paper: str) -> None:
    pictures = [tinted(drawn(digit), ink, paper) for digit in digits]
    if paper == "#00803a":
        assert np.ptp(np.asarray(pictures[0].convert("L"))) < 12
    else:
        pictures = [saved(picture) for picture in pictures]
    assert mean_difference(pictures, digits) < 6.5


def test_polarity_place_and_orientation_on_the_canvas_change_nothing(digits: Bytes) -> None:
    for digit in digits[::3]:
        picture = drawn(digit, 5, (17, 3), (200, 250))
        found = ink_of(picture).astype(int)
        for at in ((0, 0), (60, 110)):
            np.testing.assert_array_equal(ink_of(drawn(digit, 5, at, (200, 250))), found)
        turned = ink_of(picture.transpose(Image.Transpose.TRANSPOSE)).T
        assert np.abs(found - turned).max() <= 1
        assert np.abs(found - ink_of(ImageOps.invert(picture))).max() <= 1


def test_a_small_digit_on_a_large_canvas_is_looked_at_closely(digits: Bytes) -> None:
    """On a 40th of it: reduced to 256 pixels, the whole shows a digit of five."""
    pictures = [drawn(d, 3, (1900, 700), (2400, 1600)) for d in digits[::4]]
    assert mean_difference(pictures, digits[::4]) < 6.5


def rough_light(kind: str) -> NDArray[np.float64]:
    """A light over 420 x 380 pixels, as a lamp, a lens or a hand makes it."""
    y, x = np.mgrid[0:1:380j, 0:1:420j]
    kinds: dict[str, NDArray[np.float64]] = {
        "gradient": 1 - 0.6 * (0.7 * x + 0.3 * y),
        "vignette": 1 - 0.9 * ((x - 0.5) ** 2 + (y - 0.5) ** 2),
        "shadow": 1 - 0.45 / (1 + np.exp(-(x + 0.6 * y - 0.85) / 0.02)),
    }
    light: NDArray[np.float64] = kinds[kind]
    return light


@pytest.mark.parametrize("kind", ["gradient", "vignette", "shadow"])
def test_uneven_light_changes_little(digits: Bytes, kind: str) -> None:
    pictures = [tinted(drawn(digit), "#202028", "#f0f0ec").convert("L") for digit in digits]
    photos = [lit(picture, rough_light(kind)) for picture in pictures]
    assert mean_difference(photos, digits) < 8


def test_ink_that_touches_the_border_is_kept(digits: Bytes) -> None:
    cuts = [Image.fromarray(np.kron(cut(digit), np.ones((6, 6), np.uint8))) for digit in digits]
    assert mean_difference(cuts, digits) < 6
    assert mean_difference([ImageOps.invert(picture) for picture in cuts], digits) < 6


@pytest.mark.parametrize(
    ("pen", "least", "most"), [(1, 1.4, 2.6), (5, 1.4, 2.6), (41, 2.5, 4.1), (61, 2.5, 6.1)]
)
def test_hairlines_and_bars_get_strokes_more_like_mnists(
    pen: int, least: float, most: float
) -> None:
    """A square bracket of 160 x 90 pixels, so that a pixel of the result is 8 of the picture's."""
    picture = Image.new("L", (300, 260), 255)
    left, top, right, bottom = 60, 40, 150, 200
    for box in (
        (left, top, left + pen, bottom),
        (left, top, right, top + pen),
        (left, bottom - pen, right, bottom),
    ):
        picture.paste(0, box)
    upright = ink_of(picture)[13] / 255  # a row through the middle meets one stroke alone
    assert least < float(upright.sum()) < most


def test_strokes_of_mnists_thickness_are_left_as_they_are(digits: Bytes) -> None:
    dark = [np.asarray(drawn(digit), np.float32) / np.float32(255) for digit in digits]
    assert sum(with_usual_strokes(one, MNIST.shape) is one for one in dark) >= 28


@given(paper=COLOUR, side=st.integers(8, 300), quality=st.integers(30, 95))
def test_blank_pictures_of_any_colour_are_black(
    paper: tuple[int, int, int], side: int, quality: int
) -> None:
    picture = Image.new("RGB", (side, side + 5), paper)
    for blank in (picture, saved(picture, quality), picture.convert("L")):
        assert not ink_of(blank).any()


@given(
    longer=st.integers(64, 150),
    shorter=st.integers(30, 64),
    at=st.tuples(st.integers(20, 60), st.integers(20, 60)),
    upright=st.booleans(),
)
def test_the_longer_side_fills_twenty_pixels_and_the_ratio_is_kept(
    longer: int, shorter: int, at: tuple[int, int], upright: bool
) -> None:
    """Of rectangles without their upper side, drawn with a pen of MNIST's thickness."""
    width, height = (shorter, longer) if upright else (longer, shorter)
    picture, pen = Image.new("L", (240, 240), 255), round(0.12 * longer)
    left, top = at
    picture.paste(0, (left, top, left + width, top + height))
    picture.paste(255, (left + pen, top, left + width - pen, top + height - pen))
    found = cut(ink_of(picture))
    assert max(found.shape) == 20
    ratio = 20 * shorter / longer
    assert min(found.shape) in (math.floor(ratio), math.ceil(ratio))


@pytest.mark.parametrize("margin", [0, 8])
def test_the_side_of_the_ink_is_found_however_tight_the_margin(mnist: Mnist, margin: int) -> None:
    """Digits cut to their ink and some margin; at most one in a hundred is taken for its ground."""
    wrong = 0
    for digit in mnist.train_images[:400]:
        large = np.kron(np.pad(cut(digit), margin), np.ones((4, 4), np.uint8)).astype(np.float32)
        wrong += not ink_is_light(large)
        wrong += ink_is_light(255 - large)
    assert wrong <= 8


@given(
    arrays(
        np.uint8,
        array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=32)
        | array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=24).map(lambda s: (*s, 3)),
        elements=st.sampled_from([0, 1, 100, 128, 254, 255]),
    )
)
def test_any_picture_gives_a_digit_and_no_warning(levels: Bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ink_of(Image.fromarray(levels))
    assert found.shape == (28, 28)
    assert found.dtype == np.uint8
