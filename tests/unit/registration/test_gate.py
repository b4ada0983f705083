"""The gate's rule, checked by enumeration."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpoe.errors import RegistryError
from hpoe.registration.gate import judge


def table(wrong: list[bool], first: int = 0) -> pd.DataFrame:
    """Predictions on images numbered from `first`, some of them wrong."""
    index = np.arange(first, first + len(wrong))
    label = index % 10
    prediction = np.where(wrong, (label + 1) % 10, label)
    text = {"label": label.astype(str), "prediction": prediction.astype(str)}
    return pd.DataFrame({"image": index, **text})


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=14))
def test_the_verdict_is_mcnemars_exact_test_by_enumeration(pairs: list[tuple[bool, bool]]) -> None:
    """If the two were equally good, each image that only one gets wrong would be a coin toss."""
    candidate, champion = ([pair[k] for pair in pairs] for k in (0, 1))
    against = sum(a and not b for a, b in pairs)
    differing = sum(a != b for a, b in pairs)
    tosses = list(product((0, 1), repeat=differing))
    p = sum(sum(toss) >= against for toss in tosses) / len(tosses)
    verdict = judge(table(candidate), table(champion), 0.05)
    counts = (verdict.only_candidate_wrong, verdict.only_champion_wrong)
    assert counts == (against, differing - against)
    assert verdict.p == pytest.approx(p)
    assert verdict.passes == (p >= 0.05)


def test_a_candidate_that_is_significantly_worse_does_not_pass() -> None:
    """Of ten errors of the candidate alone p is 1/2^10, of four 1/2^4."""
    champion = table([False] * 5000)
    verdict = judge(table([True] * 10 + [False] * 4990), champion, 0.05)
    assert not verdict.passes
    assert verdict.p == pytest.approx(1 / 2**10)
    assert verdict.reason.startswith(
        "the candidate is significantly worse: it alone misclassifies 10 validation images"
    )
    assert judge(table([True] * 4 + [False] * 4996), champion, 0.05).passes
    assert judge(champion, table([True] * 10 + [False] * 4990), 0.05).p == 1.0


def test_only_images_in_both_tables_count() -> None:
    verdict = judge(table([True] * 20), table([False] * 20, first=18), 0.05)
    assert verdict.only_candidate_wrong == 2


def test_a_candidate_that_lacks_a_class_of_the_champion_does_not_pass() -> None:
    verdict = judge(table([False] * 8), table([False] * 10), 0.05)
    assert not verdict.passes
    assert verdict.reason == "only the champion knows the classes 8, 9"


def test_without_a_common_image_there_is_no_verdict() -> None:
    with pytest.raises(RegistryError, match=r"different images.*hpoe promote VERSION"):
        judge(table([True]), table([True], first=10), 0.05)
