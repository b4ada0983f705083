"""The digit alone: components against another implementation, and digits among other things."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.preprocessing import difference
from benchmarks.surroundings import SURROUNDINGS
from hpoe.data.mnist import Mnist
from hpoe_recognition.components import DARK, Components
from hpoe_recognition.formats import MNIST
from hpoe_recognition.ink import figure_alone, grown, sheet
from hpoe_recognition.preprocessing import as_ink

Grey = NDArray[np.float32]
PICTURES = 20
MOST_DIFFERENCE = 20.0
"""Grey levels: what noise leaves of a digit; with a frame or a line it is another image."""
EVERY_WAY = np.ones((3, 3))
SMALL = array_shapes(min_dims=2, max_dims=2, max_side=12)


@given(arrays(np.float32, SMALL, elements=st.sampled_from([0, 0.2, 0.5, 1])))
def test_components_are_those_of_scipy(dark: Grey) -> None:
    found = Components.of(dark)
    labels, count = ndimage.label(dark > DARK, EVERY_WAY)
    assert len(found.mass) == count
    ours, theirs = found.labels[dark > DARK], labels[dark > DARK]
    assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == count
    assert (found.labels == -1).sum() == (labels == 0).sum()
    for at, (mass, area, box) in enumerate(zip(found.mass, found.area, found.boxes, strict=True)):
        own = found.labels == at
        rows, columns = np.nonzero(own)
        assert mass == pytest.approx(dark[own].sum())
        assert area == own.sum()
        ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert box.tolist() == list(map(int, ends))


def test_a_long_spiral_is_one_component() -> None:
    dark = np.zeros((101, 101), np.float32)
    dark[::4] = 1
    dark[:, 0] = dark[:, 100] = 0
    for row in range(0, 97, 4):
        dark[row : row + 5, 99 if row % 8 else 1] = 1
    assert len(Components.of(dark).mass) == 1


@pytest.mark.parametrize("kind", SURROUNDINGS)
def test_what_surrounds_a_digit_is_left_out(mnist: Mnist, kind: str) -> None:
    """At most one in twenty pictures is seen otherwise than its digit alone is."""
    differences = []
    for at, digit in enumerate(mnist.train_images[:PICTURES]):
        picture = SURROUNDINGS[kind](digit, np.random.default_rng(at))
        differences.append(difference(as_ink(picture, MNIST.shape)[None], digit[None]))
    assert np.sum(np.array(differences) > MOST_DIFFERENCE) <= 1, np.round(differences)


def drawing(*boxes: tuple[int, int, int, int]) -> Grey:
    """Filled boxes on 100 x 100: left, top, right, bottom."""
    dark = np.zeros((100, 100), np.float32)
    for left, top, right, bottom in boxes:
        dark[top:bottom, left:right] = 1
    return dark


DIGIT = (40, 30, 50, 70)


@pytest.mark.parametrize(
    "part",
    [(52, 28, 70, 32), (40, 20, 50, 26), (30, 40, 35, 60)],
    ids=["the bar of a 5", "a part above", "a stroke beside"],
)
def test_a_part_near_a_digit_belongs_to_it(part: tuple[int, int, int, int]) -> None:
    dark = drawing(DIGIT, part)
    assert np.array_equal(figure_alone(dark, 1), dark)


@pytest.mark.parametrize(
    "other",
    [(0, 30, 20, 80), (30, 74, 75, 77), (0, 10, 100, 13), (80, 30, 85, 50), (52, 40, 53, 43)],
    ids=["cut by the edge", "underlining", "a ruled line", "small and far away", "a speck"],
)
def test_what_is_not_of_the_digit_is_dropped(other: tuple[int, int, int, int]) -> None:
    assert np.array_equal(figure_alone(drawing(DIGIT, other), 1), drawing(DIGIT))


def test_letters_of_a_word_stay_together_in_a_room_for_words() -> None:
    """The last one is less than a third of the others, and its gap a quarter of their height."""
    word = drawing(*((left, 40, left + 12, 64) for left in (10, 28, 46, 64)))
    assert np.array_equal(figure_alone(word, 1.6), word)
    assert np.array_equal(figure_alone(word.T, 1 / 1.6), word.T)
    cursive = drawing((0, 70, 20, 90), (10, 40, 80, 60))  # beside a heavy piece at the edge
    assert figure_alone(cursive, 1.6)[50, 40]


def test_two_digits_stay_two() -> None:
    """So that the answer can be that this is no digit."""
    dark = drawing(DIGIT, (70, 30, 80, 65))
    assert np.array_equal(figure_alone(dark, 1), dark)


def test_a_digit_that_fills_its_picture_is_kept() -> None:
    dark = np.ones((40, 12), np.float32)
    assert np.array_equal(figure_alone(dark, 1), dark)


def test_a_sheet_is_what_fills_its_corners_and_is_written_on() -> None:
    page = drawing((10, 10, 90, 80))
    assert sheet(page) is None
    page[30:60, 40:44] = 0
    found = sheet(page)
    assert found is not None
    assert found[0] > 10
    assert found[3] < 80
    ring = drawing((10, 10, 90, 80)) - drawing((20, 20, 80, 70))
    assert sheet(ring) is None
    assert sheet(np.zeros((5, 5), np.float32)) is None


@given(arrays(np.bool_, SMALL), st.integers(1, 14))
def test_a_mask_grows_to_all_sides(mask: NDArray[np.bool_], reach: int) -> None:
    square = np.ones((2 * reach + 1, 2 * reach + 1))
    assert np.array_equal(grown(mask, reach), ndimage.binary_dilation(mask, square))
