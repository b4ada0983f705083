"""Checkpoints of a training, in the store of trained RBMs, keyed by fingerprint.

The file of a fingerprint holds the state of a training and its curves so far: a checkpoint while
epochs are left, the result once it is complete.
"""

from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np

from hpoe.method.rbm import EpochCurves, TrainingState
from hpoe.tensors import load_tensors, save_tensors
from hpoe.training.weights import PARTS, REMEDY, arrays_of, rbm_of

INCREMENTS = "increments."


@dataclass
class Training:
    """A class's training so far: its state, and one point of the curves per epoch."""

    state: TrainingState
    curves: list[EpochCurves] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    """When each point was taken, milliseconds since 1970."""
    trained_in: str = ""
    """The uid of the run in which it was trained."""


def save_training(path: Path, training: Training) -> None:
    """Write a checkpoint: weights, last increments, curves."""
    arrays = {
        **arrays_of(training.state.rbm),
        **arrays_of(training.state.increments, INCREMENTS),
        "curves": np.array([astuple(point) for point in training.curves], np.float64),
        "timestamps": np.array(training.timestamps, np.int64),
    }
    save_tensors(path, arrays, {"trained_in": training.trained_in})


def load_training(path: Path) -> Training | None:
    """Read a checkpoint; None where there is none.

    Raises:
        WeightsError: the file is damaged, or of another format version.
    """
    if not path.exists():
        return None
    needed = (*PARTS, *(INCREMENTS + part for part in PARTS), "curves", "timestamps")
    arrays, record = load_tensors(path, REMEDY, needed=needed)
    curves = [EpochCurves(*point) for point in arrays["curves"].tolist()]
    state = TrainingState(rbm_of(arrays), rbm_of(arrays, INCREMENTS), len(curves))
    return Training(state, curves, arrays["timestamps"].tolist(), record["trained_in"])
