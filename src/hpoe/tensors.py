"""Tensor files: safetensors with a record of their content; equal content gives equal bytes."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hpoe.errors import TrainingError, WeightsError
from hpoe.files import write_bytes

FORMAT = 1
"""Version of the format, raised when older files can no longer be read."""

Arrays = dict[str, NDArray[Any]]


def save_tensors(path: Path, arrays: Arrays, record: dict[str, Any]) -> None:
    """Write arrays and a record of JSON values.

    The record is a single metadata entry: safetensors writes several in an order that changes from
    process to process, and equal training must give equal bytes.

    Raises:
        TrainingError: an array has numbers that are not finite.
        StorageError: the file cannot be written.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise TrainingError(
                f"{path} is not written: {name} has numbers that are not finite; lower learning "
                "rates or weight decay in params.yaml"
            )
    text = json.dumps({"format": FORMAT, **record}, sort_keys=True)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_bytes(path, save(contiguous, {"hpoe": text}))


def load_tensors(
    path: Path, remedy: str, *, needed: Collection[str] = ()
) -> tuple[Arrays, dict[str, Any]]:
    """Read arrays and a record of JSON values.

    Raises:
        WeightsError: the file is missing, damaged, of another format version, or lacks an array
            of `needed`; unless it is missing, the message ends with `remedy`.
    """
    try:
        with safe_open(path, framework="np") as file:
            record = json.loads((file.metadata() or {}).get("hpoe", "{}"))
            found = record.get("format", "unknown") if isinstance(record, dict) else "unknown"
            if found != FORMAT:
                raise WeightsError(
                    f"{path} has format {found}, this hpoe reads format {FORMAT}: {remedy}"
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing: run `dvc repro` to make it") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} is damaged ({error}): {remedy}") from None
    missing = sorted(set(needed) - set(arrays))
    if missing:
        raise WeightsError(
            f"{path} is another kind of file, without {', '.join(missing)}: {remedy}"
        )
    return arrays, record
