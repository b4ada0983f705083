"""What travels between a stage and its workers: paths and numbers, never arrays.

A stage only hands tasks out, so this module does without torch; the workers import it.
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


@dataclass(frozen=True)
class TrainingTask:
    """What a worker needs to train one layer of one digit; paths, not arrays, travel to it."""

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
    """The tracked run of this training, if it has to be trained."""
    device: Device = "cpu"
    """What it is trained on, which decides its random numbers and the rounding of its sums."""


@dataclass(frozen=True)
class Trained:
    """What came of a task."""

    digit: int
    fingerprint: str
    trained_in: str
    """The tracked run that trained it; another than the task's if it was kept."""
    epochs_trained: int
    """Epochs trained now; the others came from a checkpoint or an earlier run."""
    curves: tuple[dict[str, float], ...]
    """A point an epoch."""
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
    """The task of one digit in a layer stage; `stage` is the uid of the stage's run."""
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
    """How long one core trains a digit's layer when it does nothing else.

    Its epochs times the first decile of their durations: neither a pause between two epochs (a
    kill, a night) nor what else the machine did counts.

    Args:
        timestamps: of the ends of its epochs, milliseconds.
    """
    epochs = [after - before for before, after in pairwise(timestamps)]
    return len(timestamps) * float(np.quantile(epochs, 0.1)) / 1000 if epochs else 0.0
