"""The models that section 6 finds worse than separate models of the digits.

Shapes: N images, V pixels, M scores or hidden units.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpoe.data.split import labels_in, load_class
from hpoe.evaluation.measures import labels_of
from hpoe.evaluation.scoring import IMAGES_AT_ONCE
from hpoe.method.fitting import Generators, fit_rbm
from hpoe.method.joint import JointDivergence, clamped_goodness, labelled
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, visible_units
from hpoe.method.recipe import Recipe

NO_VARIANCE = 1e-12
"""Largest variance of a unit that is constant but for rounding."""


@dataclass(frozen=True)
class Key:
    """Key of a model's random numbers, in addition to layer, purpose and epoch."""

    seed: int
    model: str
    label: str = "0"
    """0 for models of all classes."""

    def generators(self, layer: int) -> Generators:
        """Return the random generators of a layer."""
        return partial(generator, self.seed, self.model, layer, self.label)


def train_joint(recipe: Recipe, v: Tensor, labels: Tensor, key: Key) -> RBM:
    """Train one RBM on images [N, V] and class positions 0..C-1 [N]."""
    n_classes = int(labels.max()) + 1
    data = labelled(v, labels, n_classes)
    joint = partial(JointDivergence, n_classes=n_classes)
    return fit_rbm(recipe, 1, data, key.generators(1), joint)


def pooled(split: Path, seed: int) -> tuple[Tensor, Tensor]:
    """Return all classes' unsupervised images [N, V], shuffled, with their class positions."""
    parts = [visible_units(load_class(split, digit).unsupervised) for digit in labels_in(split)]
    positions = torch.cat([torch.full((len(part),), at) for at, part in enumerate(parts)])
    order = generator(seed, "all digits", 0, 0, "order").permutation(len(positions))
    return torch.cat(parts)[order], positions[order]


def joint_predictions(rbm: RBM, images: pd.DataFrame, v: Tensor) -> pd.DataFrame:
    """Classify validation and test images by the label with the highest clamped goodness."""
    labels = np.array(labels_of(images))
    g = torch.cat(
        [clamped_goodness(rbm, part, len(labels)) for part in torch.split(v, IMAGES_AT_ONCE)]
    )
    found = images.assign(prediction=labels[g.argmax(dim=1).numpy()])
    return found[found["set"] != "fit"]


def class_specificity(h: NDArray[np.floating], labels: NDArray[np.str_]) -> float:
    """Mean share of the hidden units' variance that the classes explain, 0 to 1 (eta squared).

    The variance of the class means of activities [N, M] over their whole variance, averaged over
    the units whose activity varies.
    """
    activity = pd.DataFrame(h.astype(np.float64))
    between = activity.groupby(labels).transform("mean").var(ddof=0)
    whole = activity.var(ddof=0)
    varies = whole > NO_VARIANCE
    return float((between[varies] / whole[varies]).mean())
