"""The served system put together: what its models say of images, batch by batch."""

from dataclasses import fields

import numpy as np
import pytest
from hpoe_recognition.digit_score import Evidence

from hpoe.registration.assembly import in_batches, joined
from tests.unit.recognition.systems import images, system


@pytest.mark.parametrize("count", [1, 499, 500, 1001, 2600])
def test_parts_together_are_all_images(count: int) -> None:
    whole = np.arange(count, dtype=np.uint32).astype(np.uint8)[:, None, None]
    parts = in_batches(whole)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert max(map(len, parts)) < 2 * 500


def test_what_is_said_of_parts_is_what_is_said_of_the_whole() -> None:
    of, whole = system(), images(60)
    parts = np.array_split(whole, 7)
    found, expected = joined(of.evidence(part) for part in parts), of.evidence(whole)
    for field in fields(Evidence):
        one, other = (getattr(each, field.name) for each in (found, expected))
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
