"""Training the hierarchy of one class, in whichever process: data in, arrays out.

Shapes: N samples of a class, V features, H hidden units.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from hpoe.estimators.networks import ClassLayers
from hpoe.estimators.threads import threads
from hpoe.estimators.validation import Floats
from hpoe.method.fitting import fit_layers
from hpoe.method.gibbs import GibbsDivergence
from hpoe.method.randomness import generator
from hpoe.method.recipe import Recipe
from hpoe.method.units import UNITS, Kind

NAME = "HierarchicalExpertsClassifier"
"""Key of the random numbers, in addition to seed, layer, label, purpose and epoch."""


@dataclass(frozen=True)
class TrainingSet:
    """The samples of one class."""

    label: str
    unsupervised: Floats
    """Train the class's RBMs, [N, V]."""
    supervised: Floats
    """Train the logistic net and the refusal; no RBM has seen them, [N, V]."""


def divided(X: Floats, label: str, fraction: float, seed: int) -> TrainingSet:
    """Divide a class's samples X [N, V] at random; a single sample serves both purposes."""
    order = generator(seed, NAME, 0, label, "division").permutation(len(X))
    if len(X) == 1:
        return TrainingSet(label, X, X)
    count = min(max(1, round(fraction * len(X))), len(X) - 1)
    return TrainingSet(label, X[np.sort(order[count:])], X[np.sort(order[:count])])


def train_class(
    recipe: Recipe,
    min_updates: int,
    kind: Kind,
    seed: int,
    device: str,
    samples: TrainingSet,
) -> ClassLayers:
    """Train the RBMs of one class; return weights [V, H] and biases [V], [H] of each layer.

    With one thread, so that the result does not depend on how many classes train at a time.

    Raises:
        ValueError: training diverges.
    """
    writable = np.require(samples.unsupervised, requirements="W")  # joblib shares large ones
    data = torch.from_numpy(writable).to(device)
    minibatches = -(-len(data) // recipe.minibatch_size)
    recipe = replace(recipe, epochs=max(recipe.epochs, -(-min_updates // minibatches)))
    gaussian = partial(GibbsDivergence, units=UNITS["gaussian"])
    with threads(1):
        rbms = fit_layers(
            recipe,
            data,
            len(recipe.units),
            lambda layer: partial(generator, seed, NAME, layer, samples.label),
            gaussian if kind == "gaussian" else None,
        )
    layers = [tuple(part.cpu().numpy() for part in vars(rbm).values()) for rbm in rbms]
    if not all(np.isfinite(part).all() for layer in layers for part in layer):
        raise ValueError(
            f"training of class {samples.label!r} diverged: lower learning_rate or weight_decay, "
            "or standardise the features of Gaussian units"
        )
    return layers
