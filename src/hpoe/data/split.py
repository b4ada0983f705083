"""The balanced three-way split of section 3, one file per class."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from hpoe.data.mnist import Mnist
from hpoe.errors import DataError
from hpoe.files import write_bytes
from hpoe.labels import file_name, in_order, label_of
from hpoe.params import Split

Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images and their labels."""


@dataclass(frozen=True)
class ClassImages:
    """A class's images, uint8 [N, rows, columns], and their positions in MNIST's files, int64 [N].

    `fit` and `validation` are the two halves of the supervised set; the test images are the
    official ones of this class. Positions of the first three sets count MNIST's training images.
    """

    unsupervised: NDArray[np.uint8]
    fit: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    test: NDArray[np.uint8]
    unsupervised_index: NDArray[np.int64]
    fit_index: NDArray[np.int64]
    validation_index: NDArray[np.int64]
    test_index: NDArray[np.int64]


def cut(
    label: str, train: Labelled, test: Labelled, unsupervised: int, supervised: int
) -> ClassImages:
    """Cut a class's first training images, in order, into an unsupervised and a supervised set.

    The supervised set is halved into fit and validation. All test images are kept.
    """
    (images, labels), (test_images, test_labels) = train, test
    index = np.flatnonzero(labels == int(label))[: unsupervised + supervised]
    first, fit, validation = np.split(index, [unsupervised, unsupervised + supervised // 2])
    tests = np.flatnonzero(test_labels == int(label))
    cut_images = images[first], images[fit], images[validation], test_images[tests]
    return ClassImages(*cut_images, first, fit, validation, tests)


def split(mnist: Mnist, sizes: Split) -> Iterator[tuple[str, ClassImages]]:
    """Yield each class's images, cut as section 3 says.

    Its test images are those among the first `sizes.test_images` official ones.

    Raises:
        DataError: a class has fewer training images than asked for.
    """
    unsupervised, supervised = sizes.unsupervised_per_class, sizes.supervised_per_class
    train = mnist.train_images, mnist.train_labels
    test = mnist.test_images[: sizes.test_images], mnist.test_labels[: sizes.test_images]
    for label in map(str, sizes.classes):
        count = int(np.sum(mnist.train_labels == int(label)))
        if count < unsupervised + supervised:
            raise DataError(
                f"class {label} has {count} training images, but split in params.yaml needs "
                f"{unsupervised} + {supervised}: reduce them"
            )
        yield label, cut(label, train, test, unsupervised, supervised)


def save_split(folder: Path, mnist: Mnist, sizes: Split) -> None:
    """Split MNIST and write one file per class.

    Raises:
        DataError: a class has fewer training images than asked for.
    """
    for label, images in split(mnist, sizes):
        save_class(folder, label, images)


def save_class(folder: Path, label: str, images: ClassImages) -> None:
    """Write one class's images."""
    arrays = {name: np.ascontiguousarray(array) for name, array in vars(images).items()}
    write_bytes(class_path(folder, label), save(arrays))


def class_path(folder: Path, label: str) -> Path:
    """Return the file of one class's images."""
    return folder / f"{file_name(label)}.safetensors"


def count_unsupervised(folder: Path, label: str) -> int:
    """Return the number of images that train one class's RBMs, read from the file's header.

    Raises:
        DataError: the file is missing, damaged or not one of the split's.
    """
    path = class_path(folder, label)
    with _reading(path), safe_open(path, framework="np") as file:
        count: int = file.get_slice("unsupervised").get_shape()[0]
    return count


def load_class(folder: Path, label: str) -> ClassImages:
    """Read one class's images.

    Raises:
        DataError: the file is missing, damaged or not one of the split's.
    """
    path = class_path(folder, label)
    with _reading(path):
        return ClassImages(**load_file(path))


def labels_in(folder: Path) -> list[str]:
    """Return the labels of the split's classes, in natural order.

    Raises:
        DataError: there are none.
    """
    found = in_order(label_of(path.stem) for path in folder.glob("*.safetensors"))
    if not found:
        raise DataError(f"{folder} has no images: run `dvc repro split`")
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
