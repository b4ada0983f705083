"""Goodness of many images under the hierarchies of a network, from files, a task a digit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.data.split import digits_in, load_digit
from hpoe.normalization import Given, Versions
from hpoe.parallel import run_tasks

if TYPE_CHECKING:
    from hpoe.rbm import RBM

LAYERS = (1, 2, 3)
"""Layers of a hierarchy, from the image up."""
IMAGES_AT_ONCE = 1000
"""Images a matrix product: enough to be fast, few enough to keep memory low."""
SETS = ("fit", "validation", "test")
"""The sets that are scored: the supervised set's halves, and the test set."""


@dataclass(frozen=True)
class Task:
    """Score all labelled images, in some versions, under one digit's models."""

    network: str
    digit: int
    split: Path
    models: Path
    versions: Versions


def labelled_images(split: Path) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Every scored image: columns set, index (its place in MNIST's file) and label; the images."""
    frames, images = [], []
    for name in SETS:
        for digit in digits_in(split):
            arrays = load_digit(split, digit)
            part = getattr(arrays, name)
            index = getattr(arrays, f"{name}_index")
            frames.append(pd.DataFrame({"set": name, "index": index, "label": digit}))
            images.append(part)
    return pd.concat(frames, ignore_index=True), np.concatenate(images)


def score_network(
    network: str,
    split: Path,
    models: Path,
    workers: int,
    versions: Versions,
) -> NDArray[np.float64]:
    """Goodness of every labelled image in every version, nats: [S versions, N, M].

    M counts digits, then layers, in the order of `score_names`.
    """
    return _of_all_digits(_score, Task(network, 0, split, models, versions), workers)


def score_warped(
    network: str, split: Path, models: Path, workers: int, how: Given
) -> NDArray[np.float64]:
    """Goodness of every labelled image warped as each model likes, nats: [lengths, N, M]."""
    return _of_all_digits(_score_warped, Task(network, 0, split, models, Versions(how)), workers)


def score_names(split: Path) -> list[str]:
    """Names of the M scores, the columns of the goodness tables."""
    return [f"digit{digit}_layer{layer}" for digit in digits_in(split) for layer in LAYERS]


Scored = tuple[int, NDArray[np.float64]]


def _of_all_digits(
    score: Callable[[Task], Scored], task: Task, workers: int
) -> NDArray[np.float64]:
    digits = digits_in(task.split)
    scores = dict(run_tasks(score, [replace(task, digit=digit) for digit in digits], workers))
    return np.concatenate([scores[digit] for digit in digits], axis=2)


def _score(task: Task) -> Scored:
    import torch  # by the workers: the stage itself does without

    from hpoe.hierarchy import layer_goodness
    from hpoe.training import unit_interval

    torch.set_num_threads(1)
    hierarchy = _hierarchy(task)
    _, images = labelled_images(task.split)
    scores = []
    for version in task.versions.of(images):
        v = unit_interval(version)
        parts = [layer_goodness(hierarchy, part).numpy() for part in torch.split(v, IMAGES_AT_ONCE)]
        scores.append(np.concatenate(parts))
    return task.digit, np.stack(scores)


def _score_warped(task: Task) -> Scored:
    import torch

    from hpoe.training import unit_interval
    from hpoe.warping import warped_goodness

    torch.set_num_threads(1)
    hierarchy = _hierarchy(task)
    (images,) = task.versions.of(labelled_images(task.split)[1])
    v = unit_interval(images).reshape(images.shape)
    parts = [warped_goodness(hierarchy, part).numpy() for part in torch.split(v, IMAGES_AT_ONCE)]
    return task.digit, np.concatenate(parts, axis=1)


def _hierarchy(task: Task) -> "list[RBM]":
    from hpoe.weights import load_rbm, weights_path

    return [
        load_rbm(weights_path(task.models, task.network, layer, task.digit)) for layer in LAYERS
    ]
