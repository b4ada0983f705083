"""Published RBMs as files, with the fingerprint of what they were trained from.

The file of a class's layer, MODELS/NETWORK/layerN/LABEL.safetensors, holds weights and biases only,
so that equal training gives equal bytes.
"""

from dataclasses import fields
from pathlib import Path

import torch

from hpoe.method.rbm import RBM
from hpoe.tensors import Arrays, load_tensors, save_tensors

REMEDY = "delete it and run `dvc repro` to train that class again"
PARTS = tuple(part.name for part in fields(RBM))


def save_rbm(path: Path, rbm: RBM, fingerprint: str) -> None:
    """Publish an RBM."""
    save_tensors(path, arrays_of(rbm), {"fingerprint": fingerprint})


def load_rbm(path: Path) -> RBM:
    """Read a published RBM.

    Raises:
        WeightsError: the file is missing, damaged, or of another format version.
    """
    arrays, _ = load_tensors(path, REMEDY, needed=PARTS)
    return rbm_of(arrays)


def arrays_of(rbm: RBM, prefix: str = "") -> Arrays:
    """Name the arrays of an RBM by its fields."""
    return {f"{prefix}{part}": getattr(rbm, part).numpy() for part in PARTS}


def rbm_of(arrays: Arrays, prefix: str = "") -> RBM:
    """Make an RBM from the arrays that `arrays_of` named."""
    return RBM(*(torch.from_numpy(arrays[f"{prefix}{part}"]) for part in PARTS))
