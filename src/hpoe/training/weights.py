"""Trained RBMs as files, with the fingerprint of what they were trained from.

The published file of a digit's layer, MODELS/NETWORK/layerN/DIGIT.safetensors, holds weights and
biases only, so that equal training gives equal bytes. The store holds the state of each training
and its curves, keyed by fingerprint: a checkpoint at first, in the end the result.
"""

from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch

from hpoe.method.rbm import RBM, EpochCurves, TrainingState
from hpoe.tensors import Arrays, load_tensors, save_tensors

REMEDY = "delete it and run `dvc repro` to train that digit again"
INCREMENTS = "increments."
PARTS = tuple(part.name for part in fields(RBM))


@dataclass
class Training:
    """A digit's training so far: its state, and one point of the curves per epoch."""

    state: TrainingState
    curves: list[EpochCurves] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    """When each point was taken, milliseconds since 1970."""
    trained_in: str = ""
    """The uid of the run in which it was trained."""


def save_rbm(path: Path, rbm: RBM, fingerprint: str) -> None:
    """Publish an RBM."""
    save_tensors(path, _arrays(rbm), {"fingerprint": fingerprint})


def load_rbm(path: Path) -> RBM:
    """Read a published RBM.

    Raises:
        WeightsError: the file is missing, damaged, or of another format version.
    """
    arrays, _ = load_tensors(path, REMEDY, needed=PARTS)
    return _rbm(arrays)


def save_training(path: Path, training: Training) -> None:
    """Write a checkpoint: weights, last increments, curves."""
    arrays = {
        **_arrays(training.state.rbm),
        **_arrays(training.state.increments, INCREMENTS),
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
    state = TrainingState(_rbm(arrays), _rbm(arrays, INCREMENTS), len(curves))
    return Training(state, curves, arrays["timestamps"].tolist(), record["trained_in"])


def _arrays(rbm: RBM, prefix: str = "") -> Arrays:
    return {f"{prefix}{part}": getattr(rbm, part).numpy() for part in PARTS}


def _rbm(arrays: Arrays, prefix: str = "") -> RBM:
    return RBM(*(torch.from_numpy(arrays[f"{prefix}{part}"]) for part in PARTS))
