"""Which images the known score is fitted on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpoe.data.split import ClassImages
from hpoe.registration.sampling import LEAST, LEAST_PER_CLASS, MOST, sample
from hpoe.registration.source import Images


def class_of(fit: int, unsupervised: int, shape: tuple[int, int]) -> ClassImages:
    def images(count: int) -> Images:
        return np.zeros((count, *shape), np.uint8)

    none = np.zeros(0, np.int64)
    sets = images(unsupervised), images(fit), images(fit + 1), images(2)
    return ClassImages(*sets, none, none, none, none)


def test_mnist_uses_a_part_of_the_supervised_images() -> None:
    chosen = sample([class_of(500, 4400, (28, 28))] * 10)
    assert (len(chosen.fit), len(chosen.redrawn), len(chosen.held_out)) == (3750, 1500, 3000)
    assert chosen.outliers == 6750


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 90)), min_size=2, max_size=30))
def test_every_supervised_image_of_few_is_there(sizes: list[tuple[int, int]]) -> None:
    chosen = sample([class_of(*size, (9, 9)) for size in sizes])
    for at, (fit, _) in enumerate(sizes):
        assert np.sum(chosen.fit.positions == at) == fit
        assert np.sum(chosen.held_out.positions == at) == fit + 1


@pytest.mark.parametrize(("classes", "side"), [(1000, 8), (1000, 16), (100, 28), (2, 64)])
def test_many_classes_and_large_images_use_fewer(classes: int, side: int) -> None:
    """Not above the bound, and every class has at least one image of each kind but the redrawn."""
    shape = side, side
    chosen = sample([class_of(20, 90, shape)] * classes)
    parts = (chosen.fit, chosen.redrawn, chosen.held_out)
    used = sum(map(len, parts)) + chosen.outliers
    allowed = max(LEAST, LEAST_PER_CLASS * classes, MOST * 7840 // (classes * max(784, side**2)))
    assert used <= min(MOST, allowed)
    for part in (chosen.fit, chosen.held_out):
        assert len(np.unique(part.positions)) == classes
