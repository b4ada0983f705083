"""Goodness of all labelled images under a network's hierarchies, from files, in parallel."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.data.split import labels_in, load_class
from hpoe.training.tasks import weights_path
from hpoe_recognition.normalization import Versions

if TYPE_CHECKING:
    from hpoe.method.rbm import RBM

LAYERS = (1, 2, 3)
"""Layers of a hierarchy, from the image up."""
IMAGES_AT_ONCE = 1000
"""Images per task and matrix product: enough to be fast, few enough for the processor's caches."""
SETS = ("fit", "validation", "test")
"""The sets that are scored: the supervised set's halves, and the test set."""


@dataclass(frozen=True)
class ScoringTask:
    """Some images [N, rows, columns] to be scored, in versions, under all models of a network."""

    network: str
    labels: tuple[str, ...]
    models: Path
    versions: Versions
    images: NDArray[np.uint8]


def labelled_images(split: Path) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Return every scored image, and a table: set, index (its place in MNIST's file), label."""
    frames, images = [], []
    for name in SETS:
        for label in labels_in(split):
            arrays = load_class(split, label)
            index = getattr(arrays, f"{name}_index")
            frames.append(pd.DataFrame({"set": name, "index": index, "label": label}))
            images.append(getattr(arrays, name))
    return pd.concat(frames, ignore_index=True), np.concatenate(images)


def score_network(
    network: str,
    split: Path,
    models: Path,
    workers: int,
    versions: Versions,
    *,
    warped: bool = False,
) -> NDArray[np.float64]:
    """Compute the goodness of every labelled image in every version, nats, [S versions, N, M].

    M counts classes, then layers, in the order of `score_names`. Warped images have one version
    per length of the warp, along the gradient of each model's goodness.
    """
    labels, (_, images) = tuple(labels_in(split)), labelled_images(split)
    tasks = [
        ScoringTask(network, labels, models, versions, images[first : first + IMAGES_AT_ONCE])
        for first in range(0, len(images), IMAGES_AT_ONCE)
    ]
    score = _score_warped if warped else _score
    return np.concatenate(run_in_order(score, tasks, workers), axis=1)


def score_names(split: Path) -> list[str]:
    """Return the names of the M scores, the columns of the goodness tables."""
    return [score_name(label, layer) for label in labels_in(split) for layer in LAYERS]


def score_name(label: str, layer: int) -> str:
    """Return the name of the score of one class's layer."""
    return f"{label}/layer{layer}"


def _score(task: ScoringTask) -> NDArray[np.float64]:
    import torch  # in the workers only

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


def _score_warped(task: ScoringTask) -> NDArray[np.float64]:
    import torch

    from hpoe.method.rbm import visible_units
    from hpoe.method.warping import warped_goodness

    torch.set_num_threads(1)
    (images,) = task.versions.of(task.images)
    v = visible_units(images).reshape(images.shape)
    goodness = [warped_goodness(hierarchy, v) for hierarchy in _hierarchies(task)]
    scores: NDArray[np.float64] = torch.cat(goodness, dim=2).numpy()
    return scores


def _hierarchies(task: ScoringTask) -> "list[list[RBM]]":
    from hpoe.training.weights import load_rbm

    return [
        [load_rbm(weights_path(task.models, task.network, layer, label)) for layer in LAYERS]
        for label in task.labels
    ]
