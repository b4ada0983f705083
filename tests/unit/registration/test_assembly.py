"""The served system put together: what its models say of images that are made meanwhile."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest

from hpoe.registration.assembly import evidence_of, in_batches, joined
from hpoe.registration.outliers import Images
from hpoe_recognition.digit_score import Evidence
from tests.unit.recognition.systems import images, system


def assert_the_same(found: Evidence, expected: Evidence) -> None:
    for field in fields(Evidence):
        one, other = (getattr(each, field.name) for each in (found, expected))
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_said_of_arrays_is_in_their_order(workers: int) -> None:
    of, given = system(), [images(count, seed=count) for count in (3, 1, 40, 2, 7, 5)]
    for found, array in zip(evidence_of(of, given, workers), given, strict=True):
        assert_the_same(found, of.evidence(array))


def test_arrays_are_asked_for_one_by_one() -> None:
    """By one process, so that what is made is used up before more is made."""
    made = []

    def making() -> Iterator[Images]:
        for seed in range(3):
            made.append(seed)
            yield images(2, seed)

    class Witness:
        """A system that notes how many arrays had been made when it was asked."""

        def evidence(self, _given: Images) -> int:
            return len(made)

    assert evidence_of(Witness(), making(), 1) == [1, 2, 3]  # type: ignore[arg-type, comparison-overlap]


@pytest.mark.parametrize("count", [1, 499, 500, 1001, 2600])
def test_parts_together_are_all_images(count: int) -> None:
    whole = np.arange(count, dtype=np.uint32).astype(np.uint8)[:, None, None]
    parts = in_batches(whole)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert max(map(len, parts)) < 2 * 500


def test_what_is_said_of_parts_is_what_is_said_of_the_whole() -> None:
    of, whole = system(), images(60)
    parts = np.array_split(whole, 7)
    assert_the_same(joined(of.evidence(part) for part in parts), of.evidence(whole))
