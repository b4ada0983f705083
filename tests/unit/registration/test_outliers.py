"""The outliers that the digit score is fitted against."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hpoe.registration.outliers import KINDS, Kind, Source, outliers, placed


def source(seed: int = 0) -> Source:
    """Thick strokes as digits, two images of each of ten."""
    rng = np.random.default_rng(7)
    images = np.zeros((20, 28, 28), np.uint8)
    for image in images:
        row, column = rng.integers(6, 12, 2)
        image[row : row + 12, column : column + 3] = 255
        image[row : row + 3, column : column + 8] = 200
    return Source(images, np.arange(20) % 10, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_placed_as_digits_are(kind: Kind) -> None:
    """Within 20 x 20 pixels, its centre of mass in the middle unless the border is in the way."""
    made = dict(zip(KINDS, outliers(source(), 5), strict=True))
    for image in made[kind]:
        rows, columns = np.nonzero(image)
        assert image.max() == 255
        assert np.ptp(rows) < 20
        assert np.ptp(columns) < 20


def test_the_same_seed_makes_the_same_outliers_and_another_seed_others() -> None:
    first, second, other = (np.stack([*outliers(source(seed), 3)]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert first.shape == (len(KINDS), 3, 28, 28)


def test_the_digits_themselves_are_not_modified() -> None:
    of = source()
    before = of.images.copy()
    assert len([*outliers(of, 3)]) == len(KINDS)
    np.testing.assert_array_equal(of.images, before)


def test_pairs_are_of_different_digits() -> None:
    of = source()
    constant = Source(
        np.repeat(np.arange(10, dtype=np.uint8), 4)[:, None, None] * np.ones((1, 2, 2), np.uint8),
        np.repeat(np.arange(10), 4),
        of.rng,
    )
    for _ in range(200):
        first, second = constant.pair()
        assert first[0, 0] != second[0, 0]


def test_an_empty_figure_stays_empty() -> None:
    empty: NDArray[np.float32] = np.zeros((9, 9), np.float32)
    assert not placed(empty).any()
