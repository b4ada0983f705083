"""Thirty RBMs of three layers, trained by this project or by scikit-learn, and their scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.contenders import from_scikit_learn
from benchmarks.measuring import timed
from hpoe.compute.parallel import run_in_order
from hpoe.data.split import labels_in, load_class
from hpoe.evaluation.scoring import IMAGES_AT_ONCE, LAYERS, labelled_images
from hpoe.method.fitting import fit_rbm
from hpoe.method.hierarchy import activities, layer_goodness
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, visible_units
from hpoe.method.recipe import Recipe, learning_rate
from hpoe.params import Params
from hpoe_recognition.normalization import SHIFTS, Preparation, Versions, prepare

HPOE, SCIKIT_LEARN = METHODS = ("hpoe", "scikit-learn")
IMAGES: tuple[Preparation, ...] = ("as_given", "deskewed")
SCIKIT_LEARN_RATE = 0.1
SCIKIT_LEARN_MINIBATCH = 50
"""The best on validation of those tried with a falling rate (docs/lab-notes.md)."""


@dataclass(frozen=True)
class Job:
    """A network to train."""

    method: str
    recipe: Recipe
    seed: int

    @property
    def images(self) -> Preparation:
        """How the images are prepared, for training and for scoring."""
        return self.recipe.images

    @property
    def epochs(self) -> int:
        """Epochs per layer."""
        return self.recipe.epochs


def jobs(
    params: Params, methods: Sequence[str], epochs: Sequence[int], seeds: Sequence[int]
) -> Iterator[Job]:
    """List the default network's recipe with other epochs and images, the short ones first."""
    for count in epochs:
        for seed in seeds:
            for method in methods:
                for images in IMAGES if method == HPOE else IMAGES[:1]:
                    default = params.networks["default"].recipe
                    recipe = replace(default, epochs=count, images=images)
                    yield Job(method, recipe, seed)


def train(job: Job, split: Path, workers: int) -> tuple[float, NDArray[np.float64]]:
    """Train a network; return core seconds, and goodness of all labelled images [S, N, M]."""
    train_layer = partial(_train, job, split)
    seconds, scores = zip(*run_in_order(train_layer, labels_in(split), workers), strict=True)
    return sum(seconds), np.concatenate(scores, axis=2)


def _train(job: Job, split: Path, digit: str) -> tuple[float, NDArray[np.float64]]:
    """Train a digit's hierarchy; return core seconds and its goodness of all labelled images."""
    torch.set_num_threads(1)
    seconds, hierarchy = timed(lambda: _hierarchy(job, split, digit), process_time)
    _, labelled = labelled_images(split)
    scores = [
        torch.cat([layer_goodness(hierarchy, part) for part in _parts(version)]).numpy()
        for version in Versions(job.images, SHIFTS).of(labelled)
    ]
    return seconds, np.stack(scores)


def _hierarchy(job: Job, split: Path, digit: str) -> list[RBM]:
    """Train as a stage does, without learning curves and checkpoints; or by scikit-learn."""
    data = visible_units(prepare(load_class(split, digit).unsupervised, job.images))
    hierarchy: list[RBM] = []
    for layer in LAYERS:
        if job.method == HPOE:
            generators = partial(generator, job.seed, "benchmark", layer, digit)
            hierarchy.append(fit_rbm(job.recipe, layer, data, generators))
        else:
            hierarchy.append(_by_scikit_learn(job, layer, digit, data))
        data = activities(hierarchy[-1:], data)
    return hierarchy


def _parts(images: NDArray[np.uint8]) -> Sequence[torch.Tensor]:
    return torch.split(visible_units(images), IMAGES_AT_ONCE)


def _by_scikit_learn(job: Job, layer: int, digit: str, data: torch.Tensor) -> RBM:
    """Train with hpoe's learning rate schedule, which `BernoulliRBM` itself lacks."""
    from sklearn.neural_network import BernoulliRBM

    recipe = replace(
        job.recipe,
        learning_rate=SCIKIT_LEARN_RATE,
        minibatch_size=SCIKIT_LEARN_MINIBATCH,
    )
    constant = recipe.epochs // 2
    model = BernoulliRBM(
        n_components=recipe.units[layer - 1],
        learning_rate=recipe.learning_rate,
        batch_size=recipe.minibatch_size,
        n_iter=constant,
        random_state=np.random.RandomState(1000 * job.seed + 10 * int(digit) + layer),
    ).fit(data.numpy())
    minibatches = [part.numpy() for part in torch.split(data, recipe.minibatch_size)]
    updates = recipe.epochs * len(minibatches)
    for number in range(constant * len(minibatches), updates):
        model.learning_rate = learning_rate(recipe, number, updates)
        model.partial_fit(minibatches[number % len(minibatches)])
    return from_scikit_learn(model)
