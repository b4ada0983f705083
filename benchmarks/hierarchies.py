"""Thirty RBMs of three layers, trained by this project or by scikit-learn, and what they score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.contenders import from_scikit_learn
from hpoe.compute.parallel import run_in_order
from hpoe.data.split import digits_in, load_digit
from hpoe.evaluation.scoring import IMAGES_AT_ONCE, LAYERS, labelled_images
from hpoe.method.hierarchy import activities, layer_goodness
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, ContrastiveDivergence, initial_state, learning_rate, visible_units
from hpoe.method.recipe import Recipe
from hpoe.params import Params
from hpoe_recognition.normalization import SHIFTS, Preparation, Versions, prepare

HPOE, SCIKIT_LEARN = METHODS = ("hpoe", "scikit-learn")
IMAGES: tuple[Preparation, ...] = ("as_given", "deskewed")
SCIKIT_LEARN_RATE = 0.1
SCIKIT_LEARN_MINIBATCH = 50
"""What did best on validation of what was tried, with a falling rate (docs/lab-notes.md)."""


@dataclass(frozen=True)
class Job:
    """A network to train."""

    method: str
    recipe: Recipe
    seed: int

    @property
    def images(self) -> Preparation:
        """What it is trained on and asked about."""
        return self.recipe.images

    @property
    def epochs(self) -> int:
        """Of each layer."""
        return self.recipe.epochs


@dataclass(frozen=True)
class Task:
    """Of one digit."""

    job: Job
    split: Path
    digit: int


Trained = tuple[float, NDArray[np.float64]]


def jobs(
    params: Params, methods: Sequence[str], epochs: Sequence[int], seeds: Sequence[int]
) -> Iterator[Job]:
    """The default network's recipe with other epochs and images; the short ones first."""
    for count in epochs:
        for seed in seeds:
            for method in methods:
                for images in IMAGES if method == HPOE else IMAGES[:1]:
                    default = params.networks["default"].recipe
                    recipe = replace(default, epochs=count, images=images)
                    yield Job(method, recipe, seed)


def train(job: Job, split: Path, workers: int) -> tuple[float, NDArray[np.float64]]:
    """Seconds of the processors' time, and goodness of all labelled images [S, N, M]."""
    tasks = [Task(job, split, digit) for digit in digits_in(split)]
    seconds, scores = zip(*run_in_order(_train, tasks, workers), strict=True)
    return sum(seconds), np.concatenate(scores, axis=2)


def _train(task: Task) -> Trained:
    """A digit's seconds, and goodness of all labelled images in all versions."""
    torch.set_num_threads(1)
    start = process_time()
    images = load_digit(task.split, task.digit).unsupervised
    data, hierarchy = visible_units(prepare(images, task.job.images)), []
    for layer in LAYERS:
        fit = _by_hpoe if task.job.method == HPOE else _by_scikit_learn
        hierarchy.append(fit(task, layer, data))
        data = activities(hierarchy[-1:], data)
    seconds = process_time() - start
    _, labelled = labelled_images(task.split)
    scores = [
        torch.cat([layer_goodness(hierarchy, part) for part in _parts(version)]).numpy()
        for version in Versions(task.job.images, SHIFTS).of(labelled)
    ]
    return seconds, np.stack(scores)


def _parts(images: NDArray[np.uint8]) -> Sequence[torch.Tensor]:
    return torch.split(visible_units(images), IMAGES_AT_ONCE)


def _by_hpoe(task: Task, layer: int, data: torch.Tensor) -> RBM:
    """As a stage trains, without learning curves and checkpoints."""
    key = task.job.seed, "benchmark", layer, task.digit
    recipe = task.job.recipe
    state = initial_state(recipe, layer, data.shape[1], generator(*key, "weights"))
    divergence = ContrastiveDivergence(state, recipe)
    for epoch in range(recipe.epochs):
        divergence.epoch(data, generator(*key, "hidden states", epoch), recipe, epoch)
    return state.rbm


def _by_scikit_learn(task: Task, layer: int, data: torch.Tensor) -> RBM:
    """With hpoe's schedule of the rate, which `BernoulliRBM` has not by itself."""
    from sklearn.neural_network import BernoulliRBM

    recipe = replace(
        task.job.recipe,
        learning_rate=SCIKIT_LEARN_RATE,
        minibatch_size=SCIKIT_LEARN_MINIBATCH,
    )
    constant = recipe.epochs // 2
    model = BernoulliRBM(
        n_components=recipe.units[layer - 1],
        learning_rate=recipe.learning_rate,
        batch_size=recipe.minibatch_size,
        n_iter=constant,
        random_state=np.random.RandomState(1000 * task.job.seed + 10 * task.digit + layer),
    ).fit(data.numpy())
    minibatches = [part.numpy() for part in torch.split(data, recipe.minibatch_size)]
    updates = recipe.epochs * len(minibatches)
    for number in range(constant * len(minibatches), updates):
        model.learning_rate = learning_rate(recipe, number, updates)
        model.partial_fit(minibatches[number % len(minibatches)])
    return from_scikit_learn(model)
