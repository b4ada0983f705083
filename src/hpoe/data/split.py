"""The balanced three-way split of section 3, one file a digit."""

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


@dataclass(frozen=True)
class DigitImages:
    """One digit's images, uint8 [N, rows, columns], with their places in MNIST's files, int64 [N].

    `fit` and `validation` are the two halves of the supervised set; the test images are the
    official ones of this digit. Indices of the first three count MNIST's training images.
    """

    unsupervised: NDArray[np.uint8]
    fit: NDArray[np.uint8]
    validation: NDArray[np.uint8]
    test: NDArray[np.uint8]
    unsupervised_index: NDArray[np.int64]
    fit_index: NDArray[np.int64]
    validation_index: NDArray[np.int64]
    test_index: NDArray[np.int64]


def split(
    mnist: Mnist, digits: Sequence[int], *, unsupervised: int, supervised: int, test: int
) -> Iterator[tuple[int, DigitImages]]:
    """Cut the first images of each digit into unsupervised, fit and validation sets, in order.

    Its test images are those among the first `test` of the official ones.

    Raises:
        DataError: a digit has fewer training images than asked for.
    """
    for digit in digits:
        index = np.flatnonzero(mnist.train_labels == digit)
        wanted = unsupervised + supervised
        if len(index) < wanted:
            raise DataError(
                f"digit {digit} has {len(index)} training images, split in params.yaml asks for "
                f"{unsupervised} + {supervised}: ask for fewer"
            )
        trains, fits, validates = np.split(
            index[:wanted], [unsupervised, unsupervised + supervised // 2]
        )
        tests = np.flatnonzero(mnist.test_labels[:test] == digit)
        yield (
            digit,
            DigitImages(
                unsupervised=mnist.train_images[trains],
                fit=mnist.train_images[fits],
                validation=mnist.train_images[validates],
                test=mnist.test_images[tests],
                unsupervised_index=trains,
                fit_index=fits,
                validation_index=validates,
                test_index=tests,
            ),
        )


def save_split(folder: Path, mnist: Mnist, sizes: Split) -> None:
    """Cut MNIST as section 3 says and write it, a file a digit.

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
    """The digits of the split, ascending."""
    return sorted(int(path.stem) for path in folder.glob("[0-9]*.safetensors"))
