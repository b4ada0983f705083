"""What section 6 tried and found worse, beside separate models of the digits, on one data set.

Shapes: N images, V pixels, M scores or hidden units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpoe.data.split import digits_in, load_digit
from hpoe.evaluation.scoring import IMAGES_AT_ONCE
from hpoe.method.hierarchy import activities
from hpoe.method.joint import JointDivergence, clamped_goodness, labelled
from hpoe.method.randomness import generator
from hpoe.method.rbm import (
    RBM,
    ContrastiveDivergence,
    TrainingState,
    goodness,
    initial_state,
    visible_units,
)
from hpoe.method.recipe import Recipe

NO_VARIANCE = 1e-12
"""Of a unit that never changes, but for rounding."""


@dataclass(frozen=True)
class Key:
    """What random numbers are keyed by, besides layer and purpose."""

    seed: int
    model: str
    digit: int = 0
    """0 for models of all digits."""


def train_layers(recipe: Recipe, v: Tensor, layers: int, key: Key) -> list[RBM]:
    """The lowest layers trained on images [N, V], each on the activities of the one below."""
    rbms: list[RBM] = []
    for layer in range(1, layers + 1):
        data = activities(rbms, v)
        state = _start(recipe, layer, data.shape[1], key)
        _train(ContrastiveDivergence(state, recipe), data, recipe, layer, key)
        rbms.append(state.rbm)
    return rbms


def train_joint(recipe: Recipe, v: Tensor, labels: Tensor, key: Key) -> RBM:
    """One RBM on images [N, V] and labels 0..C-1 [N]."""
    classes = int(labels.max()) + 1
    data = labelled(v, labels, classes)
    state = _start(recipe, 1, data.shape[1], key)
    _train(JointDivergence(state, recipe, classes), data, recipe, 1, key)
    return state.rbm


def pooled(split: Path, seed: int) -> tuple[Tensor, Tensor]:
    """The unsupervised images of all digits [N, V], mixed by chance, with their class positions."""
    parts = [visible_units(load_digit(split, digit).unsupervised) for digit in digits_in(split)]
    labels = torch.cat([torch.full((len(part),), place) for place, part in enumerate(parts)])
    order = generator(seed, "all digits", 0, 0, "order").permutation(len(labels))
    return torch.cat(parts)[order], labels[order]


def joint_predictions(rbm: RBM, images: pd.DataFrame, v: Tensor) -> pd.DataFrame:
    """Validation and test images classified by the label whose clamping is best."""
    digits = np.array(sorted(images["label"].unique()))
    g = torch.cat(
        [clamped_goodness(rbm, part, len(digits)) for part in torch.split(v, IMAGES_AT_ONCE)]
    )
    found = images.assign(prediction=digits[g.argmax(dim=1).numpy()])
    return found[found["set"] != "fit"]


def layer_one_goodness(models: Sequence[RBM], v: Tensor) -> NDArray[np.float64]:
    """Goodness of images [N, V] under each digit's model, nats [N, M]."""
    return torch.stack([goodness(rbm, v) for rbm in models], dim=1).numpy()


def class_specificity(h: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """How far the classes explain what hidden units do: mean share of variance, 0 to 1.

    Of activities [N, M], the variance of the class means over the whole variance (eta squared),
    averaged over the units whose activity varies.
    """
    activity = pd.DataFrame(h.astype(np.float64))
    between = activity.groupby(labels).transform("mean").var(ddof=0)
    whole = activity.var(ddof=0)
    varies = whole > NO_VARIANCE
    return float((between[varies] / whole[varies]).mean())


def _start(recipe: Recipe, layer: int, visible: int, key: Key) -> TrainingState:
    rng = generator(key.seed, key.model, layer, key.digit, "weights")
    return initial_state(recipe, layer, visible, rng)


def _train(
    divergence: ContrastiveDivergence, data: Tensor, recipe: Recipe, layer: int, key: Key
) -> None:
    for epoch in range(recipe.epochs):
        rng = generator(key.seed, key.model, layer, key.digit, "hidden states", epoch)
        divergence.epoch(data, rng, recipe, epoch)
