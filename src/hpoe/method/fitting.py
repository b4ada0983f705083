"""The training loop of one RBM, shared by the pipeline, section 6 and the benchmarks (section 3).

Shapes: N images, V visible units.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from torch import Tensor

from hpoe.method.hierarchy import activities
from hpoe.method.rbm import RBM, ContrastiveDivergence, TrainingState, initial_state
from hpoe.method.recipe import Recipe

MakeDivergence = Callable[[TrainingState, Recipe], ContrastiveDivergence]
"""Makes what updates the weights of a state; None stands for the paper's CD-1."""


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
    make_divergence: MakeDivergence | None = None,
) -> RBM:
    """Train the RBM of one layer on `data` [N, V] from initial weights to the last epoch.

    It is trained on the device of the data.
    """
    drawn = initial_state(recipe, layer, data.shape[1], generators("weights"))
    device = str(data.device)
    state = TrainingState(drawn.rbm.to(device), drawn.increments.to(device))
    divergence = (make_divergence or ContrastiveDivergence)(state, recipe)
    for _ in train_epochs(divergence, state, recipe, data, generators):
        pass
    return state.rbm


def fit_layers(
    recipe: Recipe,
    data: Tensor,
    layers: int,
    generators: Callable[[int], Generators],
    make_first: MakeDivergence | None = None,
) -> list[RBM]:
    """Train the lowest layers on `data` [N, V], each on the activities of the one below.

    Args:
        recipe: how the RBMs are trained.
        data: probabilities of the visible units of layer 1.
        layers: number of layers.
        generators: return the random generators of a layer.
        make_first: makes what updates layer 1, whose visible units may be of another kind.
    """
    rbms: list[RBM] = []
    for layer in range(1, layers + 1):
        make = make_first if layer == 1 else None
        rbms.append(fit_rbm(recipe, layer, activities(rbms, data), generators(layer), make))
    return rbms
