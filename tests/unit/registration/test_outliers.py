"""The outliers that the digit score is fitted against."""

from collections.abc import Sequence

import numpy as np
import pytest

from hpoe.registration.outliers import KINDS, MADE_FROM, Kind, Source, outliers, placed


def source(seed: int = 0, labels: Sequence[int] = range(10)) -> Source:
    """Thick strokes as digits, two images of each; every label has its own grey level."""
    rng = np.random.default_rng(7)
    images = np.zeros((2 * len(labels), 28, 28), np.uint8)
    for image, label in zip(images, [*labels, *labels], strict=True):
        row, column = rng.integers(6, 12, 2)
        image[row : row + 12, column : column + 3] = 255 - label
        image[row : row + 3, column : column + 8] = 255 - label
    return Source(images, np.tile(labels, 2), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_placed_as_digits_are(kind: Kind) -> None:
    """Within 20 x 20 pixels; the input is not modified."""
    of = source()
    before = of.images.copy()
    for _ in range(5):
        image = placed(kind(of))
        rows, columns = np.nonzero(image)
        assert image.max() == 255
        assert np.ptp(rows) < 20
        assert np.ptp(columns) < 20
    np.testing.assert_array_equal(of.images, before)


def test_the_same_seed_makes_the_same_outliers_and_another_seed_others() -> None:
    first, second, other = (np.stack([*outliers(source(seed), 3)]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert first.shape == (len(KINDS), 3, 28, 28)


@pytest.mark.parametrize("labels", [(7, 9), tuple(range(1, 10)), (0, 1, 8)])
def test_kinds_are_made_from_the_digits_that_they_name_and_left_out_where_there_are_none(
    labels: tuple[int, ...],
) -> None:
    """Labels, not positions: with the digits 1 to 9 these differ by one."""
    of = source(labels=labels)
    named = {kind: set(labels) & set(MADE_FROM[kind]) for kind in MADE_FROM}
    assert [kind for kind in MADE_FROM if kind not in of.kinds] == [
        kind for kind in MADE_FROM if not named[kind]
    ]
    assert len([*outliers(of, 2)]) == len(of.kinds)
    for kind, expected in named.items():
        if expected:
            greys = {round(255 - 255 * float(of.for_kind(kind).max())) for _ in range(100)}
            assert greys == expected


def test_pairs_are_of_different_digits() -> None:
    of = source(labels=(7, 9))
    for _ in range(100):
        first, second = of.pair()
        assert first.max() != second.max()
