"""The balanced three-way split of section 3, one file per digit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
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


def cut(digit: int, train: Labelled, test: Labelled, sizes: tuple[int, int, int]) -> DigitImages:
    """Cut a digit's first training images into sets of these sizes, in order.

    The sizes are those of the unsupervised, fit and validation sets. All test images are kept.
    """
    (images, labels), (test_images, test_labels) = train, test
    ends = np.cumsum(sizes)
    index = np.flatnonzero(labels == digit)[: ends[2]]
    unsupervised, fit, validation = np.split(index, ends[:2])
    tests = np.flatnonzero(test_labels == digit)
    return DigitImages(
        unsupervised=images[unsupervised],
        fit=images[fit],
        validation=images[validation],
        test=test_images[tests],
        unsupervised_index=unsupervised,
        fit_index=fit,
        validation_index=validation,
        test_index=tests,
    )


def split(
    mnist: Mnist, digits: Sequence[int], *, unsupervised: int, supervised: int, test: int
) -> Iterator[tuple[int, DigitImages]]:
    """Yield each digit's images, cut into consecutive sets of the training images.

    The first are unsupervised, the next are halved into fit and validation. The test images are
    those among the first `test` official ones.

    Raises:
        DataError: a digit has fewer training images than asked for.
    """
    tests = (mnist.test_images[:test], mnist.test_labels[:test])
    for digit in digits:
        count = int(np.sum(mnist.train_labels == digit))
        if count < unsupervised + supervised:
            raise DataError(
                f"digit {digit} has {count} training images, but split in params.yaml needs "
                f"{unsupervised} + {supervised}: reduce them"
            )
        sizes = (unsupervised, supervised // 2, supervised - supervised // 2)
        yield digit, cut(digit, (mnist.train_images, mnist.train_labels), tests, sizes)


def save_split(folder: Path, mnist: Mnist, sizes: Split) -> None:
    """Cut MNIST as section 3 says, and write one file per digit.

    Raises:
        DataError: a digit has fewer training images than asked for.
    """
    for digit, images in split(
        mnist,
        sizes.digits,
        unsupervised=sizes.unsupervised_per_digit,
        supervised=sizes.supervised_per_digit,
        test=sizes.test_images,
    ):
        save_digit(folder, digit, images)


def save_digit(folder: Path, digit: int, images: DigitImages) -> None:
    """Write one digit's images as `folder`/DIGIT.safetensors."""
    arrays = {
        field.name: np.ascontiguousarray(getattr(images, field.name)) for field in fields(images)
    }
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
