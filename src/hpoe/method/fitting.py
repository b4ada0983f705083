"""The training loop of one RBM, shared by the pipeline, section 6 and the benchmarks (section 3).

Shapes: N images, V visible units.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from torch import Tensor

from hpoe.method.rbm import RBM, ContrastiveDivergence, TrainingState, initial_state
from hpoe.method.recipe import Recipe


class Generators(Protocol):
    """Random generators of one RBM by purpose, "weights" or "hidden states", and epoch."""

    def __call__(self, purpose: str, epoch: int = 0) -> np.random.Generator:
        """Return the generator for a purpose in an epoch."""
        ...


def train_epochs(
    divergence: ContrastiveDivergence,
    state: TrainingState,
    recipe: Recipe,
    data: Tensor,
    generators: Generators,
) -> Iterator[float]:
    """Train the remaining epochs on `data` [N, V]; yield the error of each.

    Args:
        divergence: updates the weights of `state`.
        state: changed in place; its number of epochs is up to date whenever an error is yielded.
        recipe: how the RBM is trained.
        data: probabilities of the visible units, in the fixed order in which they are used.
        generators: an epoch's generator depends on its number alone, so that a checkpoint stores
            no generator state.

    Yields:
        The squared reconstruction error per image, averaged over the epoch.
    """
    for epoch in range(state.epochs, recipe.epochs):
        error = divergence.epoch(data, generators("hidden states", epoch), recipe, epoch)
        state.epochs = epoch + 1
        yield error


def fit_rbm(
    recipe: Recipe,
    layer: int,
    data: Tensor,
    generators: Generators,
    make_divergence: Callable[[TrainingState, Recipe], ContrastiveDivergence] | None = None,
) -> RBM:
    """Train the RBM of one layer on `data` [N, V] from initial weights to the last epoch."""
    state = initial_state(recipe, layer, data.shape[1], generators("weights"))
    divergence = (make_divergence or ContrastiveDivergence)(state, recipe)
    for _ in train_epochs(divergence, state, recipe, data, generators):
        pass
    return state.rbm
