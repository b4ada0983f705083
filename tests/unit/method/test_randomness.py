"""Random numbers: a stream for every purpose, the same whatever ran before and wherever."""

import hashlib
import json
import subprocess
import sys
from typing import TypedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from hpoe.method.randomness import generator, uniform_minibatches


class Key(TypedDict):
    """The arguments of `generator`."""

    seed: int
    network: str
    layer: int
    digit: int
    purpose: str
    epoch: int


A_KEY: Key = {
    "seed": 1,
    "network": "h25",
    "layer": 2,
    "digit": 3,
    "purpose": "hidden states",
    "epoch": 4,
}
OTHERS: list[Key] = [
    {**A_KEY, "seed": 2},
    {**A_KEY, "network": "h100"},
    {**A_KEY, "layer": 3},
    {**A_KEY, "digit": 2},
    {**A_KEY, "purpose": "weights"},
    {**A_KEY, "epoch": 0},
]
keys = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "network": st.text(max_size=5),
        "layer": st.integers(1, 3),
        "digit": st.integers(0, 9),
        "purpose": st.sampled_from(["weights", "hidden states"]),
        "epoch": st.integers(0, 999),
    }
)


def first(key: Key) -> list[int]:
    numbers: list[int] = generator(**key).integers(0, 2**63, 4).tolist()
    return numbers


def test_equal_arguments_give_equal_streams_whatever_was_drawn_before() -> None:
    one = generator(**A_KEY)
    one.random(1000)
    generator(**OTHERS[0]).random(1000)
    assert first(A_KEY) == first(A_KEY)


@pytest.mark.parametrize("other", OTHERS)
def test_each_argument_by_itself_makes_another_stream(other: Key) -> None:
    assert first(other) != first(A_KEY)


@given(keys, keys)
def test_streams_are_equal_exactly_when_all_arguments_are(one: Key, other: Key) -> None:
    """Even for networks with names like '1/2': the parts of the key cannot run together."""
    assert (first(one) == first(other)) == (one == other)


def test_the_first_epoch_is_number_zero() -> None:
    drawn = generator(1, "h25", 2, 3, "weights").random()
    assert drawn == generator(1, "h25", 2, 3, "weights", epoch=0).random()
    assert drawn != generator(1, "h25", 2, 3, "weights", epoch=1).random()


def test_streams_follow_the_documented_rule() -> None:
    """SFC64 keyed by the SHA-256 of all arguments: published weights depend on it."""
    entropy = int(hashlib.sha256(b"1/h25/2/3/hidden states/4").hexdigest(), 16)
    expected = np.random.Generator(np.random.SFC64(entropy)).random(5, np.float32)
    np.testing.assert_array_equal(generator(**A_KEY).random(5, np.float32), expected)


def test_streams_are_the_same_in_another_process_with_other_hashes_of_strings() -> None:
    code = (
        "import json, sys; from hpoe.method.randomness import generator;"
        "print([generator(**key).integers(0, 2**63, 4).tolist() for key in json.load(sys.stdin)])"
    )
    every = [A_KEY, *OTHERS]
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(every),
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == [first(key) for key in every]


def test_two_streams_are_not_correlated() -> None:
    """7 streams of 10,000 numbers: a correlation beyond 0.055 is 5.5 deviations, 1 in 10^6 runs."""
    drawn = [generator(**key).standard_normal(10_000) for key in (A_KEY, *OTHERS)]
    correlations = np.corrcoef(drawn) - np.eye(7)
    assert np.abs(correlations).max() < 0.055


@pytest.mark.parametrize("size", [1, 3, 4, 5, 20_000])
def test_uniform_numbers_have_sixteen_bits_of_their_own_and_eight_in_common(size: int) -> None:
    rng = np.random.Generator(np.random.SFC64(0))
    for minibatch in uniform_minibatches(rng, 3, (1, size)):
        numbers = minibatch.numpy()
        whole = numbers.astype(np.float64) * 2**24
        assert (whole == np.floor(whole)).all()
        assert (numbers >= 0).all()
        assert (numbers < 1).all()
        assert len(np.unique(whole % 256)) == 1
        assert len(np.unique(numbers)) > 0.8 * size  # 20,000 of 65,536 values: 86 %


def test_uniform_numbers_are_uniform_and_independent() -> None:
    """Chi-square of pairs on 16 x 16 cells and of the common bits: with another seed 1 in 10^6."""
    rng, drawn, common = np.random.Generator(np.random.SFC64(1)), [], []
    for numbers in uniform_minibatches(rng, 5000, (10, 8)):
        drawn.append(numbers.numpy().copy())
        common.append(int(numbers[0, 0] * 2**24) % 256)
    one, other = np.stack(drawn).reshape(-1, 2).T
    cells = (one * 16).astype(int) * 16 + (other * 16).astype(int)
    assert chisquare(np.bincount(cells, minlength=256)).pvalue > 1e-6
    assert chisquare(np.bincount(common, minlength=256)).pvalue > 1e-6
