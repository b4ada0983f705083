"""Training one layer of one class, from the split's file to a published RBM.

Tasks of different classes are independent and can run in any process and order. A task trains with
one thread, so that its result does not depend on how many run at the same time.
"""

import hashlib
import json
import string
import time
from dataclasses import asdict, astuple, dataclass
from functools import partial
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpoe.compute.progress import Board
from hpoe.data.split import load_class
from hpoe.errors import TrainingError
from hpoe.files import digest
from hpoe.method.fitting import Generators, train_epochs
from hpoe.method.hierarchy import activities
from hpoe.method.randomness import generator
from hpoe.method.rbm import (
    RBM,
    ContrastiveDivergence,
    EpochCurves,
    initial_state,
    measure,
    visible_units,
)
from hpoe.training.checkpoints import Training, load_training, save_training
from hpoe.training.tasks import Trained, TrainingTask, weights_path
from hpoe.training.weights import load_rbm, save_rbm
from hpoe_recognition.normalization import prepare

VERSION = 4
"""Version of the arithmetic of training: raised whenever the same params give other bytes."""
CURVE_SAMPLE = 250
"""Images of each set used to measure the learning curves; 1,000 would cost 5 % of it."""


@dataclass(frozen=True)
class LoadedTask:
    """A task with its inputs and checkpoint loaded."""

    task: TrainingTask
    fingerprint: str
    checkpoint: Path
    training: Training
    epochs_before: int
    """Epochs completed when it was loaded."""
    unsupervised: NDArray[np.uint8]
    heldout: NDArray[np.uint8]
    below: list[RBM]

    @property
    def is_trained(self) -> bool:
        """Whether no epoch is left."""
        return self.training.state.epochs == self.task.recipe.epochs

    def add_point(self, point: EpochCurves) -> None:
        """Add an epoch's point to the curves.

        Raises:
            TrainingError: it is not finite.
        """
        self.training.curves.append(point)
        self.training.timestamps.append(time.time_ns() // 1_000_000)
        if not all(map(isfinite, astuple(point))):
            task = self.task
            raise TrainingError(
                f"layer {task.layer} of {task.network}, class {task.label!r}, is no longer finite "
                f"after epoch {len(self.training.curves)}: lower its learning_rate or weight_decay"
            )

    def data(self, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """Inputs of the layer for training and for held-out curves, float32 [N, V] each."""
        below = [rbm.to(device) for rbm in self.below]
        data, heldout = (
            activities(below, visible_units(images).to(device))
            for images in (self.unsupervised, self.heldout)
        )
        return data, heldout


def train_layer(task: TrainingTask) -> Trained:
    """Train a class's layer, continuing from its checkpoint if there is one.

    Raises:
        DataError, WeightsError: an input is missing or damaged.
        TrainingError: it diverges.
        StorageError: the disk is full.
    """
    torch.set_num_threads(1)
    loaded = load_task(task)
    if not loaded.is_trained:
        _run_epochs(loaded)
    return publish(loaded)


def load_task(task: TrainingTask) -> LoadedTask:
    """Load a task's inputs, and its checkpoint if there is one.

    Raises:
        DataError, WeightsError: an input is missing or damaged, or the checkpoint is damaged.
    """
    images = load_class(task.split, task.label)
    once = prepare(images.unsupervised, task.recipe.images)
    unsupervised = np.tile(once, (task.passes, 1, 1)) if task.passes > 1 else once
    lower = [
        weights_path(task.models, task.network, layer, task.label) for layer in range(1, task.layer)
    ]
    heldout = prepare(images.validation[:CURVE_SAMPLE], task.recipe.images)
    below = [load_rbm(path) for path in lower]
    fingerprint = _fingerprint(task, [unsupervised, heldout], lower)
    checkpoint = task.store / f"{fingerprint}.safetensors"
    visible = below[-1].weights.shape[1] if below else unsupervised[0].size
    training = load_training(checkpoint) or Training(
        initial_state(task.recipe, task.layer, visible, _generators(task)("weights"))
    )
    epochs = training.state.epochs
    if epochs < task.recipe.epochs:
        training.trained_in = task.run
    return LoadedTask(task, fingerprint, checkpoint, training, epochs, unsupervised, heldout, below)


def publish(loaded: LoadedTask) -> Trained:
    """Write the weights of a trained layer to their place among the stage's outputs."""
    task, training = loaded.task, loaded.training
    save_rbm(task.weights, training.state.rbm, loaded.fingerprint)
    Board(task.board).show(task.position, task.recipe.epochs)
    return Trained(
        task.label,
        loaded.fingerprint,
        training.trained_in,
        task.recipe.epochs - loaded.epochs_before,
        tuple(asdict(point) for point in training.curves),
        tuple(training.timestamps),
    )


def _generators(task: TrainingTask) -> Generators:
    return partial(generator, task.seed, task.network, task.layer, task.label)


def _run_epochs(loaded: LoadedTask) -> None:
    """Train the remaining epochs; save checkpoints at intervals and after the last epoch."""
    task, training = loaded.task, loaded.training
    data, heldout = loaded.data()
    state, board = training.state, Board(task.board)
    divergence = ContrastiveDivergence(state, task.recipe)
    saved = time.monotonic()
    for error in train_epochs(divergence, state, task.recipe, data, _generators(task)):
        loaded.add_point(measure(state.rbm, error, data[:CURVE_SAMPLE], heldout))
        last = state.epochs == task.recipe.epochs
        if last or time.monotonic() - saved >= task.checkpoint_seconds:
            save_training(loaded.checkpoint, training)
            saved = time.monotonic()
        board.show(task.position, state.epochs)


def _fingerprint(task: TrainingTask, images: list[NDArray[np.uint8]], lower: list[Path]) -> str:
    """SHA-256 of everything that determines the trained bytes and their curves."""
    # The sizes of the layers above do not affect this one.
    recipe = {**asdict(task.recipe), "units": task.recipe.units[: task.layer]}
    key = [VERSION, task.seed, task.network, task.layer, _key(task.label), recipe]
    key += [digest(path) for path in lower]
    if task.device != "cpu":  # a GPU's bytes differ from a CPU's
        key.append(task.device)
    sha256 = hashlib.sha256(json.dumps(key, sort_keys=True).encode())
    for array in images:
        sha256.update(str(array.shape).encode())
        sha256.update(array.tobytes())
    return sha256.hexdigest()


def _key(label: str) -> int | str:
    """Return a label as fingerprints have it: a digit as a number, as when labels were numbers."""
    return int(label) if label in string.digits else label
