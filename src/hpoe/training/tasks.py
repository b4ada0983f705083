"""Training tasks and their results: paths and numbers that a stage and its workers exchange.

A stage only dispatches, so this module does not import torch; the workers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from hpoe.method.recipe import Recipe
from hpoe.params import Params
from hpoe.settings import Settings

Device = Literal["cpu", "cuda"]


def weights_path(models: Path, network: str, layer: int, digit: int) -> Path:
    """The published file of a digit's layer."""
    return models / network / f"layer{layer}" / f"{digit}.safetensors"


@dataclass(frozen=True)
class TrainingTask:
    """Everything a worker needs to train one layer of one digit."""

    network: str
    recipe: Recipe
    layer: int
    digit: int
    seed: int
    split: Path
    models: Path
    store: Path
    board: Path
    checkpoint_seconds: float
    run: str
    """Uid of the run that tracks this training, unless an earlier result is reused."""
    device: Device = "cpu"
    """Device to train on; random numbers and rounding depend on it."""

    @property
    def weights(self) -> Path:
        """The file that is published once the layer is trained."""
        return weights_path(self.models, self.network, self.layer, self.digit)


@dataclass(frozen=True)
class Trained:
    """The result of a training task."""

    digit: int
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
    digit: int,
    *,
    split: Path,
    models: Path,
    board: Path,
    stage: str,
    device: Device = "cpu",
) -> TrainingTask:
    """Make the task of one digit in a layer stage; `stage` is the uid of the stage's run."""
    return TrainingTask(
        network=network,
        recipe=params.networks[network].recipe,
        layer=layer,
        digit=digit,
        seed=params.seed,
        split=split,
        models=models,
        store=settings.state_dir / "digits",
        board=board,
        checkpoint_seconds=settings.checkpoint_seconds,
        run=f"{stage}.digit{digit}",
        device=device,
    )


def core_seconds(timestamps: Sequence[int]) -> float:
    """Estimate how long one idle core trains a digit's layer.

    This is the number of epochs times the first decile of their durations, so that pauses between
    epochs and other work of the machine do not count.

    Args:
        timestamps: of the ends of its epochs, milliseconds.
    """
    epochs = [after - before for before, after in pairwise(timestamps)]
    return len(timestamps) * float(np.quantile(epochs, 0.1)) / 1000 if epochs else 0.0
