"""Random numbers: a stream for every purpose, the same whatever ran before and wherever."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from hpoe.method.randomness import generator, uniform_minibatches

Key = tuple[int, str, int, int, str, int]
"""The arguments of `generator`: seed, network, layer, digit, purpose, epoch."""
A_KEY: Key = (1, "h25", 2, 3, "hidden states", 4)
OTHERS: list[Key] = [
    (2, "h25", 2, 3, "hidden states", 4),
    (1, "h100", 2, 3, "hidden states", 4),
    (1, "h25", 3, 3, "hidden states", 4),
    (1, "h25", 2, 2, "hidden states", 4),
    (1, "h25", 2, 3, "weights", 4),
    (1, "h25", 2, 3, "hidden states", 0),
]
keys = st.tuples(
    st.integers(0, 2**32 - 1),
    st.text(max_size=5),
    st.integers(1, 3),
    st.integers(0, 9),
    st.sampled_from(["weights", "hidden states"]),
    st.integers(0, 999),
)


def first(key: Key) -> list[int]:
    numbers: list[int] = generator(*key).integers(0, 2**63, 4).tolist()
    return numbers


def test_streams_follow_the_documented_rule_whatever_was_drawn_before() -> None:
    """SFC64 keyed by the SHA-256 of all arguments: published weights depend on it."""
    generator(*A_KEY).random(1000)
    entropy = int(hashlib.sha256(b"1/h25/2/3/hidden states/4").hexdigest(), 16)
    expected = np.random.Generator(np.random.SFC64(entropy)).random(5, np.float32)
    np.testing.assert_array_equal(generator(*A_KEY).random(5, np.float32), expected)
    of_epoch_0 = generator(1, "h25", 2, 3, "hidden states").integers(0, 2**63, 4)
    assert of_epoch_0.tolist() == first(OTHERS[-1])


@pytest.mark.parametrize("other", OTHERS)
def test_each_argument_by_itself_makes_another_stream(other: Key) -> None:
    assert first(other) != first(A_KEY)


@given(keys, keys)
def test_streams_are_equal_exactly_when_all_arguments_are(one: Key, other: Key) -> None:
    """Even for networks with names like '1/2': the parts of the key cannot run together."""
    assert (first(one) == first(other)) == (one == other)


def test_two_streams_are_not_correlated() -> None:
    """7 streams of 10,000 numbers: a correlation beyond 0.055 is 5.5 deviations, 1 in 10^6 runs."""
    drawn = [generator(*key).standard_normal(10_000) for key in (A_KEY, *OTHERS)]
    correlations = np.corrcoef(drawn) - np.eye(7)
    assert np.abs(correlations).max() < 0.055


@pytest.mark.parametrize("size", [1, 3, 4, 5, 20_000])
def test_uniform_numbers_have_sixteen_bits_of_their_own_and_eight_in_common(size: int) -> None:
    rng = np.random.Generator(np.random.SFC64(0))
    for minibatch in uniform_minibatches(rng, 3, (1, size)):
        numbers = minibatch.numpy()
        whole = numbers.astype(np.float64) * 2**24
        assert (whole == np.floor(whole)).all()
        assert ((numbers >= 0) & (numbers < 1)).all()
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
