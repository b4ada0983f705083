"""The split's files: one per class, with the images of its four sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from hpoe.errors import DataError
from hpoe.files import write_bytes
from hpoe.labels import file_name, in_order, label_of

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ClassImages:
    """A class's images, uint8 [N, rows, columns], and their positions in the source, int64 [N].

    `fit` and `validation` are the two halves of the supervised set. If the test images are the
    source's own, positions count its training images and its test images separately.
    """

    unsupervised: NDArray[np.uint8]
    fit: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    test: NDArray[np.uint8]
    unsupervised_index: NDArray[np.int64]
    fit_index: NDArray[np.int64]
    validation_index: NDArray[np.int64]
    test_index: NDArray[np.int64]


def class_path(split: Path, label: str) -> Path:
    """Where a class's images are."""
    return split / f"{file_name(label)}{SUFFIX}"


def save_class(split: Path, label: str, images: ClassImages) -> None:
    """Write one class's images."""
    arrays = {name: np.ascontiguousarray(array) for name, array in vars(images).items()}
    write_bytes(class_path(split, label), save(arrays))


def load_class(split: Path, label: str) -> ClassImages:
    """Read one class's images.

    Raises:
        DataError: the file is missing, damaged or not one of the split's.
    """
    path = class_path(split, label)
    with _reading(path):
        return ClassImages(**load_file(path))


def count_unsupervised(split: Path, label: str) -> int:
    """Return the number of images that train one class's RBMs, from the file's header.

    Raises:
        DataError: the file is missing, damaged or not one of the split's.
    """
    path = class_path(split, label)
    with _reading(path), safe_open(path, framework="np") as file:
        count: int = file.get_slice("unsupervised").get_shape()[0]
    return count


def labels_in(split: Path) -> list[str]:
    """Return the labels of the split's classes, in natural order.

    Raises:
        DataError: there are none.
    """
    found = in_order(
        label_of(path.name.removesuffix(SUFFIX))
        for path in split.glob(f"*{SUFFIX}")
        if not path.name.startswith(".")
    )
    if not found:
        raise DataError(f"{split} has no images: run `dvc repro split`")
    return found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(
            f"{path} is missing or not a file of the split stage ({error}): delete {path.parent} "
            "and run `dvc repro split`"
        ) from None
