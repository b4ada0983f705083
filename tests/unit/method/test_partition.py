"""Partition functions: brute force over all states, closed forms, then annealing against both."""

from itertools import product
from math import log, pi

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from hpoe.method.partition import (
    AnnealingPath,
    LogPartition,
    approximate_samples,
    binary_states,
    exact_log_partition,
    forward_estimates,
    forward_log_weights,
    reverse_estimates,
    reverse_log_weights,
    schedule,
)
from hpoe.method.rbm import RBM, goodness
from hpoe.method.units import UNITS, Kind, VisibleUnits

sizes = pytest.mark.parametrize(("visible", "hidden"), [(1, 1), (3, 5), (6, 4), (2, 12), (13, 3)])


def some_rbm(visible: int, hidden: int, seed: int = 0, scale: float = 1.0) -> RBM:
    rng = np.random.default_rng(seed)
    shapes = (visible, hidden), (visible,), (hidden,)
    return RBM(*(torch.from_numpy(rng.normal(0, scale, shape)).float() for shape in shapes))


def brute_force(rbm: RBM) -> float:
    """Log Z as the plain sum over every pair of visible and hidden states."""
    weights, b, c = (part.double().numpy() for part in vars(rbm).values())
    total = 0.0
    for v in product([0, 1], repeat=len(b)):
        for h in product([0, 1], repeat=len(c)):
            total += np.exp(b @ v + c @ h + np.array(v) @ weights @ h)
    return log(total)


@sizes
def test_enumerating_the_smaller_side_gives_the_sum_over_all_states(
    visible: int, hidden: int
) -> None:
    rbm = some_rbm(visible, hidden)
    found = exact_log_partition(rbm, UNITS["bernoulli"])
    assert found == pytest.approx(brute_force(rbm), abs=1e-9)


def test_probabilities_of_all_images_sum_to_1() -> None:
    rbm = some_rbm(11, 12)
    log_p = goodness(rbm, binary_states(11).float()) - exact_log_partition(rbm, UNITS["bernoulli"])
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_a_gaussian_unit_is_integrated() -> None:
    rbm = some_rbm(1, 3)
    gaussian = UNITS["gaussian"]

    def density(v: float) -> float:
        at = torch.tensor([[v]])
        return float((goodness(rbm, at) + gaussian.log_base(at)).exp())

    integral, _ = quad(density, -20, 20)
    assert exact_log_partition(rbm, gaussian) == pytest.approx(log(integral), abs=1e-5)


def test_gaussian_units_without_weights_have_the_closed_form() -> None:
    b = torch.tensor([0.5, -2.0])
    rbm = RBM(torch.zeros(2, 3), b, torch.zeros(3))
    expected = log(2 * pi) + float(b.square().sum()) / 2 + 3 * log(2)
    assert exact_log_partition(rbm, UNITS["gaussian"]) == pytest.approx(expected)


def test_more_units_than_can_be_enumerated_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2\^26 states.*method='ais'"):
        exact_log_partition(some_rbm(30, 26), UNITS["bernoulli"])


# Annealing


def path_to(rbms: list[RBM], units: VisibleUnits) -> AnnealingPath:
    base = torch.stack([0.3 * rbm.visible_biases for rbm in rbms])
    return AnnealingPath(rbms, units, base)


def exact_samples(rbm: RBM, count: int, generator: np.random.Generator) -> Tensor:
    """Independent samples by enumeration of the visible states."""
    states = binary_states(len(rbm.visible_biases)).float()
    p = goodness(rbm, states).softmax(0)
    chosen = generator.choice(len(p), count, p=p.numpy())
    return states[torch.from_numpy(chosen)]


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_the_mean_weight_of_annealing_is_z(kind: Kind) -> None:
    """Within five standard errors for each of three RBMs: a false alarm in 500,000 runs."""
    units = UNITS[kind]
    rbms = [some_rbm(6, 4, seed, 0.6) for seed in range(3)]
    path, generator = path_to(rbms, units), np.random.default_rng(1)
    betas = schedule(path, 20, 200, generator)
    log_weights, _ = forward_log_weights(path, betas, 4000, generator)
    for rbm, row in zip(rbms, log_weights, strict=True):
        relative = (row - exact_log_partition(rbm, units)).exp()
        assert abs(float(relative.mean()) - 1) < 5 * float(relative.std()) / len(row) ** 0.5


def test_the_mean_inverse_weight_of_reverse_annealing_is_1_over_z() -> None:
    """From exact samples; five standard errors, a false alarm in 500,000 runs."""
    units, generator = UNITS["bernoulli"], np.random.default_rng(2)
    rbms = [some_rbm(6, 4, seed, 0.6) for seed in range(3)]
    path = path_to(rbms, units)
    start = torch.stack([exact_samples(rbm, 4000, generator) for rbm in rbms])
    betas = schedule(path, 20, 200, generator)
    log_weights = reverse_log_weights(path, betas, start, generator)
    for rbm, row in zip(rbms, log_weights, strict=True):
        relative = (exact_log_partition(rbm, units) - row).exp()
        assert abs(float(relative.mean()) - 1) < 5 * float(relative.std()) / len(row) ** 0.5


def estimates(n_temperatures: int) -> tuple[list[float], list[LogPartition], list[LogPartition]]:
    """Exact values of ten strongly coupled RBMs, and estimates from both directions."""
    units, generator = UNITS["bernoulli"], np.random.default_rng(3)
    rbms = [some_rbm(20, 10, seed, 1.0) for seed in range(10)]
    path = path_to(rbms, units)
    betas = schedule(path, n_temperatures, 64, generator)
    weights, v = forward_log_weights(path, betas, 64, generator)
    start = approximate_samples(path, weights, v, n_temperatures, generator)
    exact = [exact_log_partition(rbm, units) for rbm in rbms]
    reverse = reverse_log_weights(path, betas, start, generator)
    return exact, forward_estimates(weights), reverse_estimates(reverse)


def test_the_bounds_from_both_directions_hold() -> None:
    exact, forward, reverse = estimates(1000)
    for value, below, above in zip(exact, forward, reverse, strict=True):
        assert below.lower <= value <= above.upper
        assert value == pytest.approx(below.value, abs=0.5)
        assert value == pytest.approx(above.value, abs=0.5)
        assert above.upper - below.lower < 2


def test_too_few_temperatures_are_told() -> None:
    with pytest.warns(UserWarning, match="effective chains of 64: use more temperatures"):
        estimates(3)


def test_a_schedule_ascends_from_0_to_1_and_is_densest_where_weights_spread_most() -> None:
    rbms = [some_rbm(20, 10, seed) for seed in range(2)]
    path, generator = path_to(rbms, UNITS["bernoulli"]), np.random.default_rng(4)
    betas = schedule(path, 100, 64, generator)
    assert betas.shape == (101, 2)
    assert torch.equal(betas[0], torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(betas[-1], torch.ones(2, dtype=torch.float64))
    assert bool((betas.diff(dim=0) > 0).all())


def test_the_effective_sample_size_counts_equal_chains_and_ignores_those_without_weight() -> None:
    row = torch.full((1, 30), -1e9, dtype=torch.float64)
    row[0, :12] = 5
    assert forward_estimates(row)[0].effective_sample_size == pytest.approx(12)
    assert reverse_estimates(-row)[0].effective_sample_size == pytest.approx(12)
