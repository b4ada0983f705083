"""Tables of images: Parquet or CSV files with a column of images and one of labels.

An image is an encoded file (bytes, Hugging Face's struct of bytes and path, or a `data:` URL), a
path relative to the table, or a row of pixels, one column each, as Kaggle has MNIST.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hpoe.data.folder import check_inside
from hpoe.data.labelled import TEST, TRAINING, Arrays, Files, Labelled, joined, some
from hpoe.data.npz import as_levels
from hpoe.errors import DataError
from hpoe.params import Columns
from hpoe_recognition.images import ImageError, Limits, decode

SUFFIXES = (".parquet", ".csv", ".csv.gz")
SHOWN_COLUMNS = 10
LEFT_OUT = b""
"""An image that a row does not have; it cannot be read."""


def read_table(path: Path, columns: Columns, size: tuple[int, int]) -> Labelled:
    """Read a table, or those of a folder whose names begin with a set's: train, test.

    Args:
        path: of the table or the folder.
        columns: their names.
        size: rows and columns of images given as pixels, if there are so many; else they are
            square.

    Raises:
        DataError: a table cannot be read, or lacks a column; a label is missing; pixels are not
            images; a path leads out of the table's folder.
    """
    files = tables_of(path)
    parts = [(is_test, _read(file, columns, size)) for is_test, file in files]
    flags = np.repeat([is_test for is_test, _ in parts], [len(part.labels) for _, part in parts])
    groups = [group for _, part in parts for group in part.groups or ()]
    names = [
        f"{file.name}, row {row + 1}"
        for (_, file), (_, part) in zip(files, parts, strict=True)
        for row in range(len(part.labels))
    ]
    return Labelled(
        _together([part.pictures for _, part in parts], path),
        [label for _, part in parts for label in part.labels],
        groups or None,
        flags if flags.any() else None,
        names,
    )


def tables_of(path: Path) -> list[tuple[bool, Path]]:
    """The files of a table in their order, training before test, and whether they are a test set.

    Raises:
        DataError: there are none.
    """
    if not path.is_dir():
        return [(False, path)]
    files = [file for file in sorted(path.iterdir()) if file.name.lower().endswith(SUFFIXES)]
    words = {file: set(re.split("[^a-z0-9]+", file.name.lower())) for file in files}
    found = [
        (bool(words[file] & {*TEST}), file) for file in files if words[file] & {*TRAINING, *TEST}
    ]
    if all(is_test for is_test, _ in found):
        raise DataError(
            f"{path} has no tables for training: name them train-....parquet or train....csv, or "
            "set data.path to one file"
        )
    return sorted(found)


def column_names(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if path.name.lower().endswith(".parquet"):
            return [str(name) for name in pq.read_schema(path).names]
        return [str(name) for name in pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} is missing")
    reason = " ".join(str(error).split())[:120]
    return DataError(f"{path} is not a Parquet or CSV table in UTF-8 that can be read ({reason})")


def _read(path: Path, columns: Columns, size: tuple[int, int]) -> Labelled:
    """Read one file."""
    there = column_names(path)
    asked = [name for name in (columns.image, columns.label, columns.group) if name is not None]
    for name in asked:
        if name not in there:
            listed = ", ".join(map(repr, there[:SHOWN_COLUMNS]))
            more = ", ..." if len(there) > SHOWN_COLUMNS else ""
            raise DataError(
                f"{path} has no column {name!r}: set data.columns to some of {listed}{more}"
            )
    as_text = [columns.label, *([columns.group] if columns.group else [])]
    wanted = asked if columns.image is not None else there
    table = _table(path, wanted, as_text if columns.image is None else wanted)
    labels = _texts(table, columns.label, path)
    groups = _texts(table, columns.group, path) if columns.group is not None else None
    if columns.image is not None:
        images = table.column(columns.image).to_pylist()
        return Labelled([_file(image, path) for image in images], labels, groups)
    pixels = [name for name in there if name not in as_text]
    return Labelled(_pixels(table, pixels, path, size), labels, groups)


def _table(path: Path, columns: list[str], as_text: list[str]) -> pa.Table:
    """Read columns of a file; of CSV, where all is text, some as such."""
    try:
        if path.name.lower().endswith(".parquet"):
            return pq.read_table(path, columns=columns)
        frame = pd.read_csv(
            path,
            usecols=columns,
            dtype=dict.fromkeys(as_text, str),
            encoding="utf-8-sig",
            keep_default_na=False,  # NA may be a label
            na_values=[""],
        )
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _texts(table: pa.Table, column: str, path: Path) -> list[str]:
    """The values of a column as text; numbers that Hugging Face has names for, as these."""
    values = table.column(column).to_pylist()
    missing = [
        f"row {row + 1}"
        for row, value in enumerate(values)
        if value is None or value != value or not str(value).strip()
    ]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of {len(values)} rows have nothing in the column {column!r} "
            f"({some(missing)}): fill them in or remove them"
        )
    names = _class_names(table, column)
    if names and all(isinstance(value, int) and 0 <= value < len(names) for value in values):
        return [names[value] for value in values]
    whole = all(isinstance(value, float) and value.is_integer() for value in values)
    return [str(int(value) if whole else value) for value in values]


def _class_names(table: pa.Table, column: str) -> list[str]:
    """The names of the numbers in a column, which Hugging Face's `datasets` adds to the schema."""
    try:
        told = json.loads((table.schema.metadata or {})[b"huggingface"])
        return [str(name) for name in told["info"]["features"][column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _file(image: Any, path: Path) -> Path | bytes:  # noqa: ANN401
    """An encoded image file, or the path of one."""
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, bytes):
        return image
    if not isinstance(image, str) or not image:
        return LEFT_OUT
    if image[:5].lower() == "data:":
        try:
            return decode(image, Limits())
        except ImageError:
            return LEFT_OUT
    file = path.parent / image
    check_inside(file, path.parent)
    return file


def _pixels(table: pa.Table, names: list[str], path: Path, size: tuple[int, int]) -> Arrays:
    """The images of columns of pixels, in their order: row by row."""
    side = math.isqrt(len(names))
    rows, columns = size if math.prod(size) == len(names) else (side, side)
    if rows * columns != len(names) or not names:
        raise DataError(
            f"{path} has {len(names)} columns beside the labels: pixels of images of {size[0]} x "
            f"{size[1]} would be {math.prod(size)}; set data.image_size, or name the column of "
            "images in data.columns"
        )
    values: NDArray[Any] = table.select(names).to_pandas().to_numpy()
    return as_levels(
        values.reshape(-1, rows, columns), f"{path}, columns {names[0]} to {names[-1]}"
    )


def _together(parts: list[Arrays | Files], path: Path) -> Arrays | Files:
    """Put the images of several files one behind another."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if not arrays:
        return [picture for part in parts for picture in part]
    every = arrays[0]
    for more in arrays[1:]:
        every, _ = joined(every, more, path)
    return every
