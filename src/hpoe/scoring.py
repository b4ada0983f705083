"""Goodness of many images under the hierarchies of a network, from files, a task a digit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.data.split import digits_in, load_digit
from hpoe.normalization import Offset, shift
from hpoe.parallel import run_tasks

LAYERS = (1, 2, 3)
"""Layers of a hierarchy, from the image up."""
IMAGES_AT_ONCE = 1000
"""Images a matrix product: enough to be fast, few enough to keep memory low."""
SETS = ("fit", "validation", "test")
"""The sets that are scored: the supervised set's halves, and the test set."""


@dataclass(frozen=True)
class Task:
    """Score all labelled images, in the versions that `offsets` name, under one digit's models."""

    network: str
    digit: int
    split: Path
    models: Path
    offsets: tuple[Offset, ...]


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
    offsets: Sequence[Offset] = ((0, 0),),
) -> NDArray[np.float64]:
    """Goodness of every labelled image in every version, nats: [S versions, N, M].

    M counts digits, then layers, in the order of `score_names`.
    """
    digits = digits_in(split)
    tasks = [Task(network, digit, split, models, tuple(offsets)) for digit in digits]
    scores = dict(run_tasks(_score, tasks, workers))
    return np.concatenate([scores[digit] for digit in digits], axis=2)


def score_names(split: Path) -> list[str]:
    """Names of the M scores, the columns of the goodness tables."""
    return [f"digit{digit}_layer{layer}" for digit in digits_in(split) for layer in LAYERS]


def _score(task: Task) -> tuple[int, NDArray[np.float64]]:
    import torch  # by the workers: the stage itself does without

    from hpoe.hierarchy import layer_goodness
    from hpoe.training import unit_interval
    from hpoe.weights import load_rbm, weights_path

    torch.set_num_threads(1)
    hierarchy = [
        load_rbm(weights_path(task.models, task.network, layer, task.digit)) for layer in LAYERS
    ]
    _, images = labelled_images(task.split)
    versions = []
    for offset in task.offsets:
        v = unit_interval(shift(images, offset))
        parts = [layer_goodness(hierarchy, part).numpy() for part in torch.split(v, IMAGES_AT_ONCE)]
        versions.append(np.concatenate(parts))
    return task.digit, np.stack(versions)
