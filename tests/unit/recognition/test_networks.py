"""The numpy hierarchies beside the PyTorch ones, which are the reference."""

import itertools
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpoe.method.hierarchy import activities, layer_goodness
from hpoe.method.rbm import RBM, visible_probabilities
from hpoe_recognition.networks import FACTORS, Network, stacked

UNITS = (30, FACTORS + 9, 7, 5)
N_CLASSES = 3


def hierarchies(seed: int = 0, scale: float = 1.0) -> list[list[RBM]]:
    """Random RBMs by layer, then digit."""
    rng = np.random.default_rng(seed)

    def tensor(*shape: int) -> torch.Tensor:
        return torch.from_numpy(scale * rng.standard_normal(shape).astype(np.float32))

    return [
        [RBM(tensor(below, above), tensor(below), tensor(above)) for _ in range(N_CLASSES)]
        for below, above in itertools.pairwise(UNITS)
    ]


def network(rbms: list[list[RBM]]) -> Network:
    return stacked(
        [[{k: v.numpy() for k, v in asdict(rbm).items()} for rbm in layer] for layer in rbms],
        "as_given",
    )


def images(count: int, seed: int = 1) -> "np.typing.NDArray[np.float32]":
    """Random images, many pixels black, one black in all."""
    rng = np.random.default_rng(seed)
    made = rng.random((count, UNITS[0]), np.float32) * (rng.random((count, UNITS[0])) < 0.5)
    made[:, 3] = 0
    return made.astype(np.float32)


def reference(
    rbms: list[list[RBM]], v: "np.typing.NDArray[np.float32]"
) -> "np.typing.NDArray[np.float64]":
    """Goodness by `hpoe.method.hierarchy`, digits then layers."""
    columns = [
        layer_goodness([layer[digit] for layer in rbms], torch.from_numpy(v)).numpy()
        for digit in range(N_CLASSES)
    ]
    return np.concatenate(columns, axis=1)


@given(st.integers(0, 1000), st.integers(1, 6))
def test_goodness_is_that_of_the_pytorch_hierarchies(seed: int, count: int) -> None:
    rbms, v = hierarchies(seed), images(count, seed)
    np.testing.assert_allclose(network(rbms).goodness(v), reference(rbms, v), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 30.0, 1e3])
def test_goodness_stays_exact_for_tiny_and_huge_weights(scale: float) -> None:
    """Inputs of thousands of nats saturate every unit; nothing overflows or is lost."""
    rbms, v = hierarchies(scale=scale), images(5)
    found = network(rbms).goodness(v)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, reference(rbms, v), rtol=1e-5, atol=1e-4 * max(scale, 1))


@pytest.mark.parametrize("depths", [(2,), (1, 2, 3)])
def test_reconstructions_go_up_and_down_by_eq_2(depths: tuple[int, ...]) -> None:
    rbms, v = hierarchies(), images(4)
    before = v.copy()
    for digit in range(N_CLASSES):
        found = network(rbms).reconstruct(v, digit, depths)
        for depth, reconstructed in zip(depths, found, strict=True):
            below = [layer[digit] for layer in rbms[:depth]]
            expected = activities(below, torch.from_numpy(v))
            for rbm in reversed(below):
                expected = visible_probabilities(rbm, expected)
            np.testing.assert_allclose(reconstructed, expected.numpy(), atol=1e-6)
    np.testing.assert_array_equal(v, before)
