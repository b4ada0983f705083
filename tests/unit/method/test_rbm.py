"""One RBM: exact answers by enumeration, then a reference, then counted frequencies."""

from dataclasses import replace
from itertools import product
from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from hpoe.method.fitting import train_epochs
from hpoe.method.randomness import uniform_minibatches
from hpoe.method.rbm import (
    RBM,
    ContrastiveDivergence,
    TrainingState,
    goodness,
    hidden_probabilities,
    initial_state,
    measure,
    visible_probabilities,
)
from hpoe.method.recipe import Recipe, Schedule
from hpoe.params import Params

tiny_sizes = pytest.mark.parametrize(("visible", "hidden"), [(1, 1), (3, 5), (6, 4), (2, 9)])


def some_rbm(
    visible: int, hidden: int, seed: int = 0, dtype: torch.dtype = torch.float64, scale: float = 1.5
) -> RBM:
    rng = np.random.default_rng(seed)
    shapes = (visible, hidden), (visible,), (hidden,)
    return RBM(*(torch.from_numpy(rng.normal(0, scale, shape)).to(dtype) for shape in shapes))


def some_images(count: int, visible: int, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((count, visible)))


def all_states(units: int) -> Tensor:
    """Every binary state of some units, [2^units, units]."""
    return torch.tensor(list(product([0.0, 1.0], repeat=units)), dtype=torch.float64)


def log_joint(rbm: RBM, v: Tensor, h: Tensor) -> Tensor:
    """b.v + c.h + v W h, the log of the unnormalised joint probability, [N, M]."""
    return (v @ rbm.visible_biases)[:, None] + h @ rbm.hidden_biases + v @ rbm.weights @ h.T


def log_likelihood(rbm: RBM, v: Tensor) -> float:
    """Mean log p(v) with the exact log Z, the sum over every visible and hidden state."""
    double = RBM(rbm.weights.double(), rbm.visible_biases.double(), rbm.hidden_biases.double())
    visible, hidden = rbm.weights.shape
    log_z = log_joint(double, all_states(visible), all_states(hidden)).logsumexp(dim=(0, 1))
    log_numerator = log_joint(double, v.double(), all_states(hidden)).logsumexp(dim=1)
    return float((log_numerator - log_z).mean())


def fresh(rbm: RBM) -> TrainingState:
    """A state of float32 that an update may change, with nothing yet behind it."""
    arrays = [torch.from_numpy(part).float().clone() for part in parts(rbm)]
    return TrainingState(RBM(*arrays), RBM(*map(torch.zeros_like, arrays)))


def parts(rbm: RBM) -> list[NDArray[np.float64]]:
    """Weights, visible and hidden biases as float64."""
    return [part.double().numpy() for part in (rbm.weights, rbm.visible_biases, rbm.hidden_biases)]


# Goodness


@tiny_sizes
def test_goodness_is_the_log_of_the_sum_over_all_hidden_states(visible: int, hidden: int) -> None:
    """And over all images, of the partition function."""
    rbm = some_rbm(visible, hidden)
    for v in (all_states(visible), some_images(20, visible)):
        exact = log_joint(rbm, v, all_states(hidden)).logsumexp(dim=1)
        torch.testing.assert_close(goodness(rbm, v), exact, rtol=1e-12, atol=1e-12)
    log_z = log_joint(rbm, all_states(visible), all_states(hidden)).logsumexp(dim=(0, 1))
    torch.testing.assert_close(goodness(rbm, all_states(visible)).logsumexp(dim=0), log_z)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 99), st.floats(0.01, 30))
def test_goodness_of_any_float32_rbm_agrees_with_enumeration(
    visible: int, hidden: int, seed: int, scale: float
) -> None:
    rbm = some_rbm(visible, hidden, seed, torch.float32, scale)
    double = RBM(*(torch.from_numpy(part) for part in parts(rbm)))
    v = some_images(5, visible, seed).float()
    exact = log_joint(double, v.double(), all_states(hidden)).logsumexp(dim=1)
    tolerance = 1e-6 * scale * visible * (hidden + 1)  # the largest sum that could cancel
    found = goodness(rbm, v)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, exact, rtol=0, atol=max(tolerance, 1e-6))


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_goodness_of_extreme_inputs_is_finite_and_right(size: float) -> None:
    inputs = torch.tensor([-size, size, 0.0])
    rbm = RBM(torch.zeros(1, 3), torch.tensor([size]), inputs)
    (found,) = goodness(rbm, torch.tensor([[1.0]])).tolist()
    assert found == pytest.approx(2 * size + log(2), rel=1e-7)
    assert torch.isfinite(hidden_probabilities(rbm, torch.ones(1, 1))).all()
    tail = RBM(torch.zeros(1, 1), torch.zeros(1), torch.tensor([-40.0]))
    assert goodness(tail, torch.zeros(1, 1)).item() == pytest.approx(exp(-40), rel=1e-5)


def test_goodness_of_real_size_keeps_the_digits_that_a_float32_sum_would_lose() -> None:
    """With weights of few bits the inputs are exact: what is left is the error of the sum."""
    rng = np.random.default_rng(0)
    v = torch.from_numpy(rng.integers(0, 2, (200, 784)).astype(np.float32))
    weights = torch.from_numpy(rng.integers(-8, 9, (784, 500)).astype(np.float32) / 64)
    biases = torch.from_numpy(rng.integers(-64, 65, 500).astype(np.float32) / 64)
    rbm = RBM(weights, torch.zeros(784), biases)
    inputs = v.double() @ weights.double() + biases.double()
    exact = torch.nn.functional.softplus(inputs, threshold=1e9).sum(dim=1)
    torch.testing.assert_close(goodness(rbm, v), exact, rtol=0, atol=1e-5)
    lossy = torch.nn.functional.softplus(inputs.float()).sum(dim=1)
    assert float((lossy.double() - exact).abs().max()) > 5e-5


def test_the_gradient_of_goodness_is_the_statistics_of_the_positive_phase() -> None:
    rbm, v = some_rbm(5, 4), some_images(6, 5)
    tensors = rbm.weights, rbm.visible_biases, rbm.hidden_biases
    for tensor in tensors:
        tensor.requires_grad_()
    gradients = torch.autograd.grad(goodness(rbm, v).sum(), tensors)
    with torch.no_grad():
        activity = hidden_probabilities(rbm, v)
    for found, exact in zip(gradients, (v.T @ activity, v.sum(0), activity.sum(0)), strict=True):
        torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-12)


# Conditionals


@tiny_sizes
def test_conditionals_are_ratios_of_enumerated_joint_probabilities(
    visible: int, hidden: int
) -> None:
    rbm, h = some_rbm(visible, hidden), all_states(hidden)
    v = all_states(visible)
    joint = log_joint(rbm, v, h).exp()
    given_v = joint @ h / joint.sum(dim=1, keepdim=True)
    given_h = joint.T @ v / joint.sum(dim=0)[:, None]
    torch.testing.assert_close(hidden_probabilities(rbm, v), given_v, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(visible_probabilities(rbm, h), given_h, rtol=1e-10, atol=1e-13)


def test_scikit_learns_bernoulli_rbm_agrees() -> None:
    rbm, v = some_rbm(10, 6), some_images(20, 10)
    model = BernoulliRBM(n_components=6)
    model.components_ = rbm.weights.T.numpy()
    model.intercept_visible_ = rbm.visible_biases.numpy()
    model.intercept_hidden_ = rbm.hidden_biases.numpy()
    np.testing.assert_allclose(goodness(rbm, v), -model._free_energy(v.numpy()), rtol=1e-12)
    np.testing.assert_allclose(hidden_probabilities(rbm, v), model.transform(v.numpy()), rtol=1e-12)


# Training: a reference in float64


class Reference:
    """Eqs. 6 and 7 from the paper's text alone, with nothing in place."""

    def __init__(self, rbm: RBM) -> None:
        self.parts = parts(rbm)
        self.steps = [np.zeros_like(part) for part in self.parts]

    def update(
        self,
        v0: NDArray[np.floating],
        uniform: NDArray[np.floating],
        rate: float,
        mu: float,
        decay: float,
    ) -> float:
        """One minibatch; the squared reconstruction error summed over it."""
        w, b, c = self.parts
        p_h0 = expit(c + v0 @ w)
        v1 = expit(b + (uniform < p_h0) @ w.T)
        p_h1 = expit(c + v1 @ w)
        weights = (v0.T @ p_h0 - v1.T @ p_h1) / len(v0) - decay * w
        gradients = weights, (v0 - v1).mean(axis=0), (p_h0 - p_h1).mean(axis=0)
        self.steps = [mu * step + rate * g for step, g in zip(self.steps, gradients, strict=True)]
        self.parts = [part + step for part, step in zip(self.parts, self.steps, strict=True)]
        return float(((v0 - v1) ** 2).sum())

    def agrees_with(self, state: TrainingState) -> None:
        for found, expected in zip(parts(state.rbm), self.parts, strict=True):
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
        largest = max(np.abs(step).max() for step in self.steps)
        for found, expected in zip(parts(state.increments), self.steps, strict=True):
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5 * largest)


@pytest.mark.parametrize(
    ("visible", "hidden", "size", "scale"),
    [(6, 4, 5, 0.7), (784, 500, 50, 0.05), (784, 25, 50, 0.05), (100, 100, 50, 0.05)],
)
def test_an_update_is_eqs_6_and_7_for_full_and_partial_minibatches(
    recipe: Recipe, visible: int, hidden: int, size: int, scale: float
) -> None:
    """The products of small and of large matrices are computed by different libraries."""
    recipe = replace(recipe, minibatch_size=size, weight_decay=0.3)
    state = fresh(some_rbm(visible, hidden, scale=scale))
    reference, divergence = Reference(state.rbm), ContrastiveDivergence(state, recipe)
    rng = np.random.default_rng(3)
    for n, rate, mu in [(size, 0.1, 0.0), (size, 0.3, 0.9), (size // 2, 0.2, 0.9), (1, 0.4, 0.5)]:
        v0, uniform = (rng.random((n, units), np.float32) for units in (visible, hidden))
        error = divergence.update(
            torch.from_numpy(v0), torch.from_numpy(uniform), learning_rate=rate, momentum=mu
        )
        expected = reference.update(v0, uniform, rate, mu, decay=0.3)
        assert float(error) == pytest.approx(expected, rel=1e-5)
        reference.agrees_with(state)


@pytest.mark.parametrize("schedule", ["constant", "constant_then_linear"])
@pytest.mark.parametrize(("momentum_start", "minibatch"), [(0, 4), (3, 4), (50, 1), (999, 13)])
def test_epochs_are_those_of_the_reference_in_fixed_order(
    recipe: Recipe, schedule: Schedule, momentum_start: int, minibatch: int
) -> None:
    """13 images: minibatches of 4 leave a last one of 1, and single images take 65 updates."""
    recipe = replace(
        recipe,
        epochs=5,
        minibatch_size=minibatch,
        learning_rate_schedule=schedule,
        momentum=0.9,
        momentum_start=momentum_start,
    )
    data = some_images(13, 5).float()
    state = fresh(some_rbm(5, 3, scale=0.3))
    reference, divergence = Reference(state.rbm), ContrastiveDivergence(state, recipe)
    batches = [part.numpy() for part in torch.split(data, minibatch)]
    updates, update = 5 * len(batches), 0
    errors = train_epochs(divergence, state, recipe, data, lambda _, k=0: np.random.default_rng(k))
    for epoch, found in enumerate(errors):
        assert state.epochs == epoch + 1
        drawn = uniform_minibatches(np.random.default_rng(epoch), len(batches), (minibatch, 3))
        total = 0.0
        for batch, uniform in zip(batches, drawn, strict=True):
            falling = schedule == "constant_then_linear" and update >= updates / 2
            rate = 0.2 * (updates - update) / (updates / 2) if falling else 0.2
            mu = 0.0 if update < momentum_start else 0.9
            total += reference.update(batch, uniform[: len(batch)].numpy(), rate, mu, decay=0.01)
            update += 1
        assert found == pytest.approx(total / 13, rel=1e-5)
        reference.agrees_with(state)
    assert state.epochs == 5


@pytest.mark.parametrize("sign", [-1e4, 1e4])
def test_an_update_of_a_saturated_rbm_stays_finite_and_leaves_its_arguments_alone(
    recipe: Recipe, sign: float
) -> None:
    rbm = RBM(torch.full((5, 4), sign), torch.full((5,), -sign), torch.full((4,), sign))
    state = fresh(rbm)
    divergence = ContrastiveDivergence(state, recipe)
    v0, uniform = some_images(3, 5).float(), torch.full((3, 4), 0.5)
    before = v0.clone()
    error = divergence.update(v0, uniform, learning_rate=0.1, momentum=0.9)
    assert torch.equal(v0, before)
    assert (uniform == 0.5).all()
    assert np.isfinite(float(error))
    assert all(np.isfinite(part).all() for part in parts(state.rbm))


# Training: what is expected


def cd1_statistics(rbm: RBM, v0: Tensor, h0: Tensor) -> NDArray[np.float64]:
    """<v0 p_h0> - <v1 p_h1> and the differences for the biases, one row per hidden state of h0."""
    w, b, c = parts(rbm)
    p_h0 = expit(c + v0.numpy() @ w)
    v1 = expit(b + h0.numpy() @ w.T)
    p_h1 = expit(c + v1 @ w)
    outer = np.outer(v0, p_h0) - v1[:, :, None] * p_h1[:, None, :]
    return np.column_stack([outer.reshape(len(h0), -1), v0.numpy() - v1, p_h0 - p_h1])


def increments(state: TrainingState) -> NDArray[np.float64]:
    return np.concatenate([part.ravel() for part in parts(state.increments)])


def test_the_expected_statistics_are_those_of_all_hidden_states_by_their_probability(
    recipe: Recipe,
) -> None:
    """Uniform numbers of 0 and 1 force each state, so that the sum over all is exact."""
    rbm, v0, h = some_rbm(4, 3, scale=0.8), some_images(1, 4)[0], all_states(3)
    recipe = replace(recipe, weight_decay=0.0)
    p_h0 = hidden_probabilities(rbm, v0[None])
    weight = torch.where(h > 0, p_h0, 1 - p_h0).prod(dim=1).numpy()
    found = np.zeros(4 * 3 + 4 + 3)
    for share, state_of_h in zip(weight, h, strict=True):
        state = fresh(rbm)
        divergence = ContrastiveDivergence(state, recipe)
        forced = (1 - state_of_h)[None].float()
        divergence.update(v0[None].float(), forced, learning_rate=1.0, momentum=0.0)
        found += share * increments(state)
    np.testing.assert_allclose(found, weight @ cd1_statistics(rbm, v0, h), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_training_raises_the_exact_log_likelihood_of_its_images(recipe: Recipe) -> None:
    """Four patterns: no model gives them more than log(1/4) each, and this one comes near."""
    patterns = torch.tensor(
        [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]]
    ).float()
    recipe = replace(recipe, units=(8, 1, 1), epochs=2000, minibatch_size=4, weight_decay=0.0001)
    state = initial_state(recipe, 1, 6, np.random.default_rng(0))
    before = log_likelihood(state.rbm, patterns)
    divergence, rng = ContrastiveDivergence(state, recipe), np.random.default_rng(1)
    for epoch in range(recipe.epochs):
        divergence.epoch(patterns, rng, recipe, epoch)
    after = log_likelihood(state.rbm, patterns)
    assert before == pytest.approx(-6 * log(2), abs=0.05)
    assert -log(4) - 0.5 < after < -log(4)


# Initial values and curves


def test_initial_weights_are_small_gaussians_and_the_rest_is_zero(params: Params) -> None:
    """392,000 weights: mean and deviation within 5 standard errors, 1 false alarm in 10^6."""
    recipe = params.networks["h500"].recipe
    state = initial_state(recipe, 1, 784, np.random.default_rng(0))
    weights, visible_biases, hidden_biases = parts(state.rbm)
    assert weights.shape == (784, 500)
    assert state.rbm.weights.dtype == torch.float32
    assert abs(weights.mean()) < 5 * 0.01 / np.sqrt(weights.size)
    assert abs(weights.std() / 0.01 - 1) < 5 / np.sqrt(2 * weights.size)
    assert abs((weights**4).mean() / 0.01**4 - 3) < 5 * np.sqrt(96 / weights.size)  # no other shape
    for rest in (visible_biases, hidden_biases, *parts(state.increments)):
        assert not rest.any()
    assert state.epochs == 0


def test_a_point_of_the_curves_is_what_its_fields_say() -> None:
    rbm = some_rbm(5, 4, dtype=torch.float32)
    train, heldout = some_images(7, 5).float(), some_images(3, 5, seed=2).float()
    point = measure(rbm, 1.25, train, heldout)
    w, b, c = parts(rbm)

    def mean_goodness(v: NDArray[np.float64]) -> float:
        return float((v @ b + np.log1p(np.exp(c + v @ w)).sum(axis=1)).mean())

    assert point.reconstruction_error == 1.25
    assert point.goodness_train == pytest.approx(mean_goodness(train.double().numpy()), rel=1e-6)
    assert point.goodness_heldout == pytest.approx(
        mean_goodness(heldout.double().numpy()), rel=1e-6
    )
    activity = expit(c + train.double().numpy() @ w).mean()
    assert point.mean_hidden_activity == pytest.approx(activity, rel=1e-6)
    assert point.weight_norm == pytest.approx(np.sqrt((w**2).sum()), rel=1e-6)
