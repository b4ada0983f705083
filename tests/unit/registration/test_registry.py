"""The registered model in a real store: packaging, judging, promoting, going back."""

from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpoe.errors import RegistryError, UnreachableError
from hpoe.registration.registry import Registry, judge


def table(wrong: list[bool], first: int = 0) -> pd.DataFrame:
    """Predictions of images numbered from `first`, some of them wrong."""
    index = np.arange(first, first + len(wrong))
    label = index % 10
    prediction = np.where(wrong, (label + 1) % 10, label)
    return pd.DataFrame({"index": index, "label": label, "prediction": prediction})


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=14))
def test_the_verdict_is_mcnemars_exact_test_by_enumeration(pairs: list[tuple[bool, bool]]) -> None:
    """Were the two equally good, each image that only one gets wrong would be a toss of a coin."""
    candidate, champion = ([pair[k] for pair in pairs] for k in (0, 1))
    against = sum(a and not b for a, b in pairs)
    differing = sum(a != b for a, b in pairs)
    tosses = list(product((0, 1), repeat=differing))
    p = sum(sum(toss) >= against for toss in tosses) / len(tosses)
    verdict = judge(table(candidate), table(champion), 0.05)
    assert (verdict.only_candidate_wrong, verdict.only_champion_wrong) == (
        against,
        differing - against,
    )
    assert verdict.p == pytest.approx(p)
    assert verdict.not_worse == (p >= 0.05)


def test_a_candidate_that_is_worse_beyond_the_noise_is_found_out() -> None:
    champion = [False] * 5000
    verdict = judge(table([True] * 10 + [False] * 4990), table(champion), 0.05)
    assert not verdict.not_worse
    assert verdict.p == pytest.approx(1 / 2**10)
    assert judge(table([True] * 4 + [False] * 4996), table(champion), 0.05).not_worse
    assert judge(table(champion), table([True] * 10 + [False] * 4990), 0.05).p == 1.0
    assert comb(10, 10) / 2**10 < 0.05 < comb(4, 4) / 2**4


def test_only_images_of_both_tables_count() -> None:
    verdict = judge(table([True] * 20), table([False] * 20, first=18), 0.05)
    assert verdict.only_candidate_wrong <= 2


def test_no_common_image_is_no_verdict() -> None:
    with pytest.raises(RegistryError, match=r"different images.*hpoe promote VERSION"):
        judge(table([True]), table([True], first=5), 0.05)


def test_a_store_without_the_model_says_how_to_register_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    with pytest.raises(RegistryError, match=r"no registered model hpoe-digits: `make repro`"):
        Registry("").champion()


def test_a_server_that_is_down_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"http://127.0.0.1:9 does not answer"):
        Registry("http://127.0.0.1:9")
