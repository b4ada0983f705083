"""Training tasks and their results: paths and numbers that a stage and its workers exchange.

A stage only dispatches, so this module does not import torch; the workers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from hpoe.data.split import count_unsupervised
from hpoe.labels import file_name
from hpoe.method.recipe import Recipe
from hpoe.params import Params
from hpoe.settings import Settings

Device = Literal["cpu", "cuda"]


def weights_path(models: Path, network: str, layer: int, label: str) -> Path:
    """The published file of a class's layer."""
    return models / network / f"layer{layer}" / f"{file_name(label)}.safetensors"


@dataclass(frozen=True)
class TrainingTask:
    """Everything a worker needs to train one layer of one class."""

    network: str
    recipe: Recipe
    passes: int
    """Over the class's images, per epoch."""
    layer: int
    label: str
    seed: int
    split: Path
    models: Path
    store: Path
    board: Path
    position: int
    """Of the class on the board."""
    checkpoint_seconds: float
    run: str
    """Uid of the run that tracks this training, unless an earlier result is reused."""
    device: Device = "cpu"
    """Device to train on; random numbers and rounding depend on it."""

    @property
    def weights(self) -> Path:
        """The file that is published once the layer is trained."""
        return weights_path(self.models, self.network, self.layer, self.label)


@dataclass(frozen=True)
class Trained:
    """The result of a training task."""

    label: str
    fingerprint: str
    trained_in: str
    """The uid of the run that trained it; not the task's own if an earlier result was kept."""
    epochs_trained: int
    """Epochs trained by this task; the others came from a checkpoint."""
    curves: tuple[dict[str, float], ...]
    """One point per epoch."""
    timestamps: tuple[int, ...]


def training_task(
    params: Params,
    settings: Settings,
    network: str,
    layer: int,
    label: str,
    *,
    split: Path,
    models: Path,
    board: Path,
    position: int,
    stage: str,
    device: Device = "cpu",
) -> TrainingTask:
    """Make the task of one class in a layer stage.

    Args:
        params: of the pipeline.
        settings: of this machine.
        network: its name.
        layer: 1, 2 or 3.
        label: of the class.
        split: the folder of the split's images.
        models: the folder of published weights.
        board: the file of the progress board.
        position: of the class on the board.
        stage: the uid of the stage's run.
        device: to train on.

    Raises:
        DataError: the class's images are missing or damaged.
    """
    recipe, images = params.networks[network], count_unsupervised(split, label)
    return TrainingTask(
        network=network,
        recipe=recipe.recipe,
        passes=recipe.passes(images),
        layer=layer,
        label=label,
        seed=params.seed,
        split=split,
        models=models,
        store=settings.state_dir / "rbms",
        board=board,
        position=position,
        checkpoint_seconds=settings.checkpoint_seconds,
        run=f"{stage}.class{file_name(label)}",
        device=device,
    )


def core_seconds(timestamps: Sequence[int]) -> float:
    """Estimate how long one idle core trains a class's layer.

    This is the number of epochs times the first decile of their durations, so that pauses between
    epochs and other work of the machine do not count.

    Args:
        timestamps: of the ends of its epochs, milliseconds.
    """
    epochs = [after - before for before, after in pairwise(timestamps)]
    return len(timestamps) * float(np.quantile(epochs, 0.1)) / 1000 if epochs else 0.0
