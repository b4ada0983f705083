"""Longer divergences and persistent chains: CD-1 as the reference, then exact frequencies."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from hpoe.method.fitting import train_epochs
from hpoe.method.gibbs import GibbsDivergence, gibbs_states
from hpoe.method.partition import binary_states, exact_log_partition
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, ContrastiveDivergence, TrainingState, goodness, initial_state
from hpoe.method.recipe import Recipe
from hpoe.method.units import UNITS, Kind

BERNOULLI = UNITS["bernoulli"]


def keyed(purpose: str, epoch: int = 0) -> np.random.Generator:
    return generator(1, "gibbs", 1, 0, purpose, epoch)


def test_one_step_from_the_data_is_the_papers_contrastive_divergence(recipe: Recipe) -> None:
    """The same weights to the last bit, over several epochs."""
    data = torch.from_numpy(np.random.default_rng(0).random((10, 6), np.float32))
    states = [initial_state(recipe, 1, 6, keyed("weights")) for _ in "ab"]
    divergences = (
        ContrastiveDivergence(states[0], recipe),
        GibbsDivergence(states[1], recipe, BERNOULLI),
    )
    errors = [
        list(train_epochs(divergence, state, recipe, data, keyed))
        for divergence, state in zip(divergences, states, strict=True)
    ]
    assert errors[0] == errors[1]
    assert torch.equal(states[0].rbm.weights, states[1].rbm.weights)
    assert torch.equal(states[0].rbm.visible_biases, states[1].rbm.visible_biases)


def some_state() -> TrainingState:
    """An RBM of 3 visible and 2 hidden units with random weights."""
    rng = np.random.default_rng(2)
    parts = [torch.from_numpy(rng.normal(size=size)).float() for size in ((3, 2), 3, 2)]
    return TrainingState(RBM(*parts), RBM(*map(torch.zeros_like, parts)))


def test_persistent_chains_are_distributed_as_the_models_hidden_units(recipe: Recipe) -> None:
    """With a rate too small to move the weights; 2 hidden units have 4 states.

    Chi-squared with 3 degrees of freedom exceeds 23 in 1 of 25,000.
    """
    state, count = some_state(), 4000
    still = replace(recipe, units=(2,), minibatch_size=count, learning_rate=1e-20, weight_decay=0)
    chains = torch.zeros(count, 2)
    divergence = GibbsDivergence(state, still, BERNOULLI, chains=chains)
    data = torch.zeros(count, 3)
    for epoch in range(30):
        divergence.epoch(data, keyed("hidden states", epoch), still, 0)
    flipped = RBM(state.rbm.weights.t(), state.rbm.hidden_biases, state.rbm.visible_biases)
    log_p = goodness(flipped, binary_states(2).float()) - exact_log_partition(flipped, BERNOULLI)
    expected = count * log_p.exp().numpy()
    counts = np.bincount((chains.numpy() @ [1, 2]).astype(int), minlength=4)
    assert ((counts - expected) ** 2 / expected).sum() < 23


@pytest.mark.parametrize("kind", UNITS)
def test_chains_have_the_exact_means_of_the_visible_units(kind: Kind) -> None:
    """Means of 20,000 chains against sums over hidden states; five standard errors."""
    rbm, units = some_state().rbm, UNITS[kind]
    h = binary_states(2).float()
    x = h @ rbm.weights.t() + rbm.visible_biases
    p = (h @ rbm.hidden_biases + units.log_normaliser(x)).softmax(0)
    states = gibbs_states(rbm, units, torch.zeros(20_000, 3), np.random.default_rng(0))
    v = next(islice(states, 50, None))
    errors = (v.mean(dim=0) - p @ units.mean(x)).abs()
    assert bool((errors < 5 * v.std(dim=0) / len(v) ** 0.5).all())
