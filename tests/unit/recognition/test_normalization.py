"""Model-based normalisation: shifts against numpy's, and the soft choice between its limits."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from hpoe_recognition.normalization import (
    SHIFTS,
    Preparation,
    Versions,
    deskew,
    shear,
    shift,
    soft_choice,
)

Images = NDArray[np.uint8]
Scores = NDArray[np.float64]

images = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5))
offsets = st.tuples(st.integers(-6, 6), st.integers(-6, 6))
scores = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.floats(-1e5, 1e5),
)
temperatures = st.floats(1e-3, 1e6)


def rolled(pictures: Images, down: int, right: int) -> Images:
    """numpy's roll, with what came round the edge blanked."""
    moved = np.roll(pictures, (down, right), axis=(1, 2))
    rows, columns = pictures.shape[1:]
    row, column = np.arange(rows) - down, np.arange(columns) - right
    moved[:, (row < 0) | (row >= rows)] = 0
    moved[:, :, (column < 0) | (column >= columns)] = 0
    return moved


def slack(goodness: Scores, temperature: float) -> float:
    """What rounding may cost a sum of exponentials: some units in the last place."""
    return 1e-14 * (float(np.abs(goodness).max()) + 10 * temperature)


@given(images, offsets)
def test_a_shift_is_a_roll_with_background_moving_in(
    pictures: Images, offset: tuple[int, int]
) -> None:
    before = pictures.copy()
    np.testing.assert_array_equal(shift(pictures, offset), rolled(pictures, *offset))
    np.testing.assert_array_equal(pictures, before)


def test_the_five_versions_are_the_image_and_its_moves_by_one_pixel() -> None:
    assert sorted(SHIFTS) == [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]
    assert SHIFTS[0] == (0, 0)


@given(scores, temperatures)
def test_the_soft_choice_is_t_log_mean_exp(goodness: Scores, temperature: float) -> None:
    before, found = goodness.copy(), soft_choice(goodness, temperature)
    top = goodness.max(axis=0)
    exact = top + temperature * np.log(np.exp((goodness - top) / temperature).mean(axis=0))
    np.testing.assert_allclose(found, exact, rtol=0, atol=slack(goodness, temperature))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(goodness, before)


@given(scores)
def test_the_soft_choice_goes_from_the_maximum_to_the_mean_as_the_temperature_rises(
    goodness: Scores,
) -> None:
    """The first term beyond the mean is the variance / 2T: goodness spread over 10^5 nats."""
    difference = goodness.max(axis=0) - soft_choice(goodness, 1e-3)
    assert (np.abs(difference) <= 1e-3 * np.log(len(goodness)) + slack(goodness, 1e-3)).all()
    found, variance = soft_choice(goodness, 1e9), goodness.var(axis=0)
    bound = variance / (2 * 1e9) * 1.01 + slack(goodness, 1e9)
    assert (np.abs(found - goodness.mean(axis=0)) <= bound).all()


small_slopes = st.floats(-0.4, 0.4)


def drawn(seed: int) -> Images:
    """A smooth blob somewhere in the middle of a picture, slanted by chance."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:28, :28] - 13.5
    y, x = rows - rng.uniform(-2, 2), columns - rng.uniform(-2, 2)
    slanted = x - rng.uniform(-0.5, 0.5) * y
    picture = 255 * np.exp(-((slanted / 2.5) ** 2) - (y / 5) ** 2)
    blob: Images = np.rint(picture).astype(np.uint8)[None]
    return blob


@given(images, small_slopes)
def test_a_shear_is_scipys_affine_transform(pictures: Images, slope: float) -> None:
    np.testing.assert_array_equal(shear(pictures, 0.0), pictures)
    middle = (pictures.shape[1] - 1) / 2
    found = shear(pictures, slope)
    for before, after in zip(pictures, found, strict=True):
        expected = affine_transform(
            before.astype(float),
            np.array([[1, 0], [-slope, 1]]),
            offset=(0, slope * middle),
            order=1,
            mode="grid-constant",
        )
        assert np.abs(after - expected).max() <= 0.5 + 1e-6


@given(st.integers(0, 10_000))
def test_deskewed_ink_has_uncorrelated_rows_and_columns_and_stays_where_it_is(seed: int) -> None:
    """Rounding to whole intensities leaves a slope of some thousandths."""
    before, (after,) = drawn(seed)[0].astype(float), deskew(drawn(seed)).astype(float)
    rows, columns = np.mgrid[:28, :28]
    centre = [
        [(part * place).sum() / part.sum() for place in (rows, columns)] for part in (before, after)
    ]
    np.testing.assert_allclose(centre[1], centre[0], atol=0.02)
    y, x = rows - centre[1][0], columns - centre[1][1]
    assert abs((after * x * y).sum() / (after * y * y).sum()) < 0.005


@pytest.mark.parametrize("picture", [np.zeros((2, 5, 4), np.uint8), np.eye(1, 20, 7)])
def test_images_without_height_are_left_as_they_are(picture: NDArray[np.float64]) -> None:
    flat = (255 * picture).astype(np.uint8).reshape(-1, 5, 4)
    np.testing.assert_array_equal(deskew(flat), flat)


@given(images, st.lists(offsets, max_size=3), st.lists(small_slopes, max_size=3))
def test_versions_are_moved_then_sheared_images_as_a_network_sees_them(
    pictures: Images, moves: list[tuple[int, int]], slopes: list[float]
) -> None:
    for how in get_args(Preparation):
        found = list(Versions(how, tuple(moves), tuple(slopes)).of(pictures))
        base = deskew(pictures) if how == "deskewed" else pictures
        expected = [shift(base, move) for move in moves] + [shear(base, s) for s in slopes]
        assert len(found) == len(expected)
        assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
