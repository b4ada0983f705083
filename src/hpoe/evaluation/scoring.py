"""Goodness of many images under the hierarchies of a network, from files, some images a task."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.data.split import digits_in, load_digit
from hpoe_recognition.normalization import Preparation, Versions

if TYPE_CHECKING:
    from hpoe.method.rbm import RBM

LAYERS = (1, 2, 3)
"""Layers of a hierarchy, from the image up."""
IMAGES_AT_ONCE = 1000
"""Images a task and matrix product: enough to be fast, few enough for the processor's caches."""
SETS = ("fit", "validation", "test")
"""The sets that are scored: the supervised set's halves, and the test set."""


@dataclass(frozen=True)
class Task:
    """Score some images [N, rows, columns], in some versions, under all models of a network."""

    network: str
    digits: tuple[int, ...]
    models: Path
    versions: Versions
    images: NDArray[np.uint8]


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
    return _of_all_images(_score, network, split, models, workers, versions)


def score_warped(
    network: str, split: Path, models: Path, workers: int, how: Preparation
) -> NDArray[np.float64]:
    """Goodness of every labelled image warped as each model likes, nats: [lengths, N, M]."""
    return _of_all_images(_score_warped, network, split, models, workers, Versions(how))


def score_names(split: Path) -> list[str]:
    """Names of the M scores, the columns of the goodness tables."""
    return [f"digit{digit}_layer{layer}" for digit in digits_in(split) for layer in LAYERS]


def _of_all_images(
    score: Callable[[Task], NDArray[np.float64]],
    network: str,
    split: Path,
    models: Path,
    workers: int,
    versions: Versions,
) -> NDArray[np.float64]:
    digits, (_, images) = tuple(digits_in(split)), labelled_images(split)
    tasks = [
        Task(network, digits, models, versions, images[first : first + IMAGES_AT_ONCE])
        for first in range(0, len(images), IMAGES_AT_ONCE)
    ]
    return np.concatenate(run_in_order(score, tasks, workers), axis=1)


def _score(task: Task) -> NDArray[np.float64]:
    import torch  # by the workers: the stage itself does without

    from hpoe.method.hierarchy import layer_goodness
    from hpoe.method.rbm import visible_units

    torch.set_num_threads(1)
    hierarchies = _hierarchies(task)
    scores = []
    for version in task.versions.of(task.images):
        v = visible_units(version)
        goodness = [layer_goodness(hierarchy, v) for hierarchy in hierarchies]
        scores.append(torch.cat(goodness, dim=1).numpy())
    return np.stack(scores)


def _score_warped(task: Task) -> NDArray[np.float64]:
    import torch

    from hpoe.method.rbm import visible_units
    from hpoe.method.warping import warped_goodness

    torch.set_num_threads(1)
    (images,) = task.versions.of(task.images)
    v = visible_units(images).reshape(images.shape)
    goodness = [warped_goodness(hierarchy, v) for hierarchy in _hierarchies(task)]
    scores: NDArray[np.float64] = torch.cat(goodness, dim=2).numpy()
    return scores


def _hierarchies(task: Task) -> "list[list[RBM]]":
    from hpoe.training.weights import load_rbm, weights_path

    return [
        [load_rbm(weights_path(task.models, task.network, layer, digit)) for layer in LAYERS]
        for digit in task.digits
    ]
