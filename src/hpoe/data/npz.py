"""Arrays in an npz file, as `numpy.savez` and MedMNIST write them; nothing in it is unpickled."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpoe.data.labelled import Arrays, Labelled, joined, texts
from hpoe.errors import DataError

NAMES = (
    ("x_{}", "y_{}"),
    ("{}_images", "{}_labels"),
)
"""The arrays of images and of labels, of the sets `train`, `val` and `test`."""
ALONE = (("x", "y"), ("images", "labels"))
"""The same where there is one set only."""


def read_npz(path: Path) -> Labelled:
    """Read the arrays of a file; those for validation are training images.

    Raises:
        DataError: the file cannot be read, arrays are missing, or cannot be images or labels.
    """
    try:
        with path.open("rb") as opened:
            file = np.load(opened, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise DataError(f"{path} is one array: save images and labels with numpy.savez")
            return _read({name.lower(): name for name in file.files}, file, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged, or not of plain arrays ({error})") from None


def _read(names: dict[str, str], file: Any, path: Path) -> Labelled:  # noqa: ANN401
    """Read the sets that are there, by their names in lower case."""

    def pair(images: str, labels: str) -> tuple[Arrays, list[str]] | None:
        if images not in names and labels not in names:
            return None
        for name in (images, labels):
            if name not in names:
                raise DataError(f"{path} lacks {name}: it has {', '.join(file.files)}")
        pictures, said = as_levels(file[names[images]], f"{path}, {images}"), file[names[labels]]
        if len(pictures) != len(said):
            raise DataError(f"{path}: {len(pictures)} {images}, but {len(said)} {labels}")
        return pictures, texts(said, f"{path}, {labels}")

    for x, y in NAMES:
        train, val, test = (
            pair(x.format(part), y.format(part)) for part in ("train", "val", "test")
        )
        if train is not None:
            images, _ = joined(train[0], val[0] if val else None, path)
            every, is_test = joined(images, test[0] if test else None, path)
            labels = [label for part in (train, val, test) if part for label in part[1]]
            return Labelled(every, labels, is_test=is_test if test else None)
    for x, y in ALONE:
        if (only := pair(x, y)) is not None:
            return Labelled(*only)
    raise DataError(
        f"{path} has {', '.join(file.files) or 'nothing'}: name the arrays x_train, y_train, "
        "x_test and y_test (or train_images, train_labels, ...)"
    )


def as_levels(values: NDArray[Any], where: str) -> Arrays:
    """Return images [N, rows, columns] or [N, rows, columns, 3] as uint8.

    Raises:
        DataError: they have another shape, or are not whole numbers from 0 to 255.
    """
    if values.ndim == 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3 and (values.ndim != 4 or values.shape[-1] != 3):
        raise DataError(
            f"{where} has the shape {list(values.shape)}: images are [N, rows, columns] or "
            "[N, rows, columns, 3]"
        )
    if values.dtype == np.uint8:
        return values
    is_number = values.dtype.kind in "iufb"
    if is_number and values.size and not (values.min() >= 0 and values.max() <= 255):
        is_number = False  # a NaN compares as False, too
    if not is_number or (values.dtype.kind == "f" and (values != np.rint(values)).any()):
        raise DataError(
            f"{where} is of the type {values.dtype}, and not all of it whole numbers from 0 to 255:"
            " save grey levels as uint8 (values from 0 to 1 times 255)"
        )
    return values.astype(np.uint8)
