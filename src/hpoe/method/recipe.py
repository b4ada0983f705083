"""The recipe of a network: hyperparameters of its RBMs, as a plain dataclass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hpoe_recognition.normalization import Preparation

Schedule = Literal["constant", "constant_then_linear"]


@dataclass(frozen=True)
class Recipe:
    """How the RBMs of every class of one network are trained, three in the paper (sections 1, 3).

    The fields, their ranges and the paper's values are described in `hpoe.params.Network`, which
    checks them.
    """

    images: Preparation
    units: tuple[int, ...]
    epochs: int
    minibatch_size: int
    learning_rate: float
    learning_rate_schedule: Schedule
    weight_decay: float
    momentum: float
    momentum_start: int
    initial_standard_deviation: float


def learning_rate(recipe: Recipe, update: int, updates: int) -> float:
    """Return the learning rate of update number `update` (from 0) out of `updates`."""
    half = updates / 2
    if recipe.learning_rate_schedule == "constant" or update < half:
        return recipe.learning_rate
    return recipe.learning_rate * (updates - update) / (updates - half)


def epoch_rates(recipe: Recipe, epoch: int, minibatches: int) -> Iterator[tuple[float, float]]:
    """Yield learning rate and momentum of each update of an epoch, one per minibatch."""
    for update in range(epoch * minibatches, (epoch + 1) * minibatches):
        rate = learning_rate(recipe, update, recipe.epochs * minibatches)
        yield rate, recipe.momentum if update >= recipe.momentum_start else 0.0
