"""The balanced three-way split of section 3, one file per digit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from hpoe.data.mnist import Mnist
from hpoe.errors import DataError
from hpoe.files import write_bytes
from hpoe.params import Split

Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images and their labels."""


@dataclass(frozen=True)
class DigitImages:
    """A digit's images, uint8 [N, rows, columns], and their positions in MNIST's files, int64 [N].

    `fit` and `validation` are the two halves of the supervised set; the test images are the
    official ones of this digit. Positions of the first three sets count MNIST's training images.
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
    digit: int, train: Labelled, test: Labelled, unsupervised: int, supervised: int
) -> DigitImages:
    """Cut a digit's first training images, in order, into an unsupervised and a supervised set.

    The supervised set is halved into fit and validation. All test images are kept.
    """
    (images, labels), (test_images, test_labels) = train, test
    index = np.flatnonzero(labels == digit)[: unsupervised + supervised]
    first, fit, validation = np.split(index, [unsupervised, unsupervised + supervised // 2])
    tests = np.flatnonzero(test_labels == digit)
    cut_images = images[first], images[fit], images[validation], test_images[tests]
    return DigitImages(*cut_images, first, fit, validation, tests)


def split(mnist: Mnist, sizes: Split) -> Iterator[tuple[int, DigitImages]]:
    """Yield each digit's images, cut as section 3 says.

    Its test images are those among the first `sizes.test_images` official ones.

    Raises:
        DataError: a digit has fewer training images than asked for.
    """
    unsupervised, supervised = sizes.unsupervised_per_digit, sizes.supervised_per_digit
    train = mnist.train_images, mnist.train_labels
    test = mnist.test_images[: sizes.test_images], mnist.test_labels[: sizes.test_images]
    for digit in sizes.digits:
        count = int(np.sum(mnist.train_labels == digit))
        if count < unsupervised + supervised:
            raise DataError(
                f"digit {digit} has {count} training images, but split in params.yaml needs "
                f"{unsupervised} + {supervised}: reduce them"
            )
        yield digit, cut(digit, train, test, unsupervised, supervised)


def save_split(folder: Path, mnist: Mnist, sizes: Split) -> None:
    """Split MNIST and write one file per digit.

    Raises:
        DataError: a digit has fewer training images than asked for.
    """
    for digit, images in split(mnist, sizes):
        save_digit(folder, digit, images)


def save_digit(folder: Path, digit: int, images: DigitImages) -> None:
    """Write one digit's images as `folder`/DIGIT.safetensors."""
    arrays = {name: np.ascontiguousarray(array) for name, array in vars(images).items()}
    write_bytes(folder / f"{digit}.safetensors", save(arrays))


def load_digit(folder: Path, digit: int) -> DigitImages:
    """Read one digit's images.

    Raises:
        DataError: the file is missing, damaged or not one of the split's.
    """
    path = folder / f"{digit}.safetensors"
    try:
        return DigitImages(**load_file(path))
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(
            f"{path} is missing or not a file of the split stage ({error}): delete {folder} and "
            "run `dvc repro split`"
        ) from None


def digits_in(folder: Path) -> Sequence[int]:
    """Return the digits of the split, ascending.

    Raises:
        DataError: there are none.
    """
    found = sorted(int(path.stem) for path in folder.glob("[0-9]*.safetensors"))
    if not found:
        raise DataError(f"{folder} has no images: run `dvc repro split`")
    return found
