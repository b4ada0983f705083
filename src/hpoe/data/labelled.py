"""Labelled pictures as a source has them, and what of them can be used."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from hpoe.errors import DataError
from hpoe.labels import MOST_BYTES, clean, in_order

Arrays = NDArray[np.uint8]
"""Images [N, rows, columns], or [N, rows, columns, 3] in colour."""
Files = Sequence[Path | bytes]
"""Encoded image files, or where they are."""
TRAINING = ("train", "training", "val", "valid", "validation")
TEST = ("test", "testing", "t10k")
"""The names of sets; images for validation are training images like all others."""
UNPRINTED = ("Cc", "Zl", "Zp")
"""Unicode categories: control characters and ends of lines."""
SHOWN = 5
"""Names that a message shows."""


@dataclass(frozen=True)
class Labelled:
    """The pictures of a source in its order, training before test, and what is known of each."""

    pictures: Arrays | Files
    labels: list[str]
    groups: list[str] | None = None
    """What each belongs to: a writer, a page, a device."""
    is_test: NDArray[np.bool_] | None = None
    """[N]: whether it is of the source's own test set; None if the source has none."""
    names: list[str] | None = None
    """What messages call each; None: by its position."""


def name_of(names: list[str] | None, is_test: NDArray[np.bool_] | None, place: int) -> str:
    """What messages call an image: its name, or else its position in its set."""
    if names is not None:
        return names[place]
    if is_test is None:
        return f"image {place}"
    kind = "test" if is_test[place] else "training"
    return f"{kind} image {np.sum(is_test[:place] == is_test[place])}"


def some(names: Iterable[str]) -> str:
    """The first few of many names."""
    every = list(names)
    return ", ".join(every[:SHOWN]) + (", ..." if len(every) > SHOWN else "")


def joined(train: Arrays, test: Arrays | None, where: Path) -> tuple[Arrays, NDArray[np.bool_]]:
    """Put test images behind the training images.

    Raises:
        DataError: their sizes differ.
    """
    if test is None:
        return train, np.zeros(len(train), bool)
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{where}: the training images are {_size(train)}, and the test images {_size(test)}"
        )
    is_test = np.repeat([False, True], [len(train), len(test)])
    return np.concatenate([train, test]), is_test


def _size(images: Arrays) -> str:
    return " x ".join(map(str, images.shape[1:]))


def texts(labels: NDArray[Any], where: object) -> list[str]:
    """Turn an array of labels, [N] or [N, 1], into text; 3.0 is the class 3.

    Raises:
        DataError: they have another shape, or are not text or whole numbers.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{where}: the labels have the shape {list(labels.shape)}: each image needs exactly one"
        )
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.round()).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "surrogateescape")
    if labels.dtype.kind not in "iuUb":
        raise DataError(
            f"{where}: the labels are of the type {labels.dtype}: use text or whole numbers"
        )
    return [str(label) for label in labels.tolist()]


def checked(found: Labelled, where: object) -> Labelled:
    """Return what was found with clean labels (NFC, stripped).

    Raises:
        DataError: there are fewer than two classes, or a label cannot be used.
    """
    clean_texts = {label: clean(label) for label in dict.fromkeys(found.labels)}
    check_labels(clean_texts.values(), where)
    labels = [clean_texts[label] for label in found.labels]
    return replace(found, labels=labels)


def check_labels(labels: Iterable[str], where: object) -> None:
    """Check the labels of a source, which may name one twice.

    Raises:
        DataError: there are fewer than two, two differ only in case, or one is empty, longer than
            `MOST_BYTES`, or not text.
    """
    every = in_order(set(labels))
    for label in every:
        try:
            length = len(label.encode())
        except UnicodeEncodeError:
            raise DataError(f"{where}: the label {label!r} is not UTF-8: rename it") from None
        if not label or any(category(sign) in UNPRINTED for sign in label):
            raise DataError(f"{where}: {label!r} is no label: use text on one line")
        if length > MOST_BYTES:
            raise DataError(
                f"{where}: the label {label!r} has {length} bytes in UTF-8: use at most "
                f"{MOST_BYTES}"
            )
    alike = defaultdict(list)
    for label in every:
        alike[label.lower()].append(label)
    for group in alike.values():
        if len(group) > 1:
            raise DataError(
                f"{where}: the labels {' and '.join(map(repr, group))} differ only in case: "
                "rename one, or give their images one label"
            )
    if len(every) < 2:
        only = f"one class only, {every[0]!r}" if every else "no images"
        raise DataError(f"{where} has {only}: a classifier needs images of at least two classes")
