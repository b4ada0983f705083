"""The split of labelled images into unsupervised, fit, validation and test images per class."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.data.assignment import (
    SETS,
    TEST,
    UNUSED,
    Numbers,
    Sets,
    by_class,
    by_group,
    group_keys,
    image_keys,
    trimmed,
)
from hpoe.data.intake import Intake, read_source
from hpoe.data.labelled import some
from hpoe.data.sizes import most_images, wanted_sizes
from hpoe.data.split import ClassImages, save_class
from hpoe.errors import DataError
from hpoe.files import replacing_folder
from hpoe.labels import in_order
from hpoe.params import Data, Source, Split

PUBLISHED: tuple[Source, ...] = ("mnist", "usps", "idx")
"""Sources whose test set stays as it is, whatever it shares with the training images."""
Counts = dict[str, tuple[int, ...]]
"""By label, in natural order: the number of images in each set of SETS."""


def make_split(
    folder: Path,
    data: Data,
    sizes: Split,
    seed: int,
    *,
    raw: Path,
    workers: int,
    say: Callable[[str], None],
) -> Counts:
    """Read a source, split it, and write one file per class; return how many images each has.

    The folder is replaced when all is written. See `read_source` for the other arguments.

    Raises:
        DataError: the images cannot be split so; the message says what to change.
        StorageError: the disk is full; the folder is as it was.
    """
    intake = read_source(data, raw, workers, say)
    if sizes.test == "official":
        shared = shared_with_test(intake)
        if shared and data.source not in PUBLISHED:
            raise DataError(
                f"{shared}: remove them from one side, or set split.test to a fraction such as 0.2 "
                "to cut a test set anew"
            )
        if shared:
            say(f"{shared}; the test set is used as it was published")
    return save_split(folder, intake, sizes, seed)


def save_split(folder: Path, intake: Intake, sizes: Split, seed: int) -> Counts:
    """Split images, write one file per class, and replace a folder by these; return the counts.

    Raises:
        DataError: the images cannot be split so; the message says what to change.
        StorageError: the disk is full; the folder is as it was.
    """
    counts = {}
    with replacing_folder(folder) as new:
        for label, images in divide(intake, sizes, seed):
            save_class(new, label, images)
            counts[label] = tuple(len(getattr(images, name)) for name in SETS)
    return counts


def divide(intake: Intake, sizes: Split, seed: int) -> Iterator[tuple[str, ClassImages]]:
    """Yield each class's images, in the labels' natural order.

    Raises:
        DataError: the images cannot be split so, and nothing has been yielded.
    """
    part, index = _places(intake, sizes)
    labels = _chosen({intake.labels[place] for place in np.flatnonzero(part == 0)}, sizes)
    if sizes.classes == "all":
        _check_test_labels({intake.labels[place] for place in np.flatnonzero(part == 1)}, labels)
    number = {label: at for at, label in enumerate(labels)}
    classes = np.array([number.get(label, -1) for label in intake.labels], np.int64)
    at = np.flatnonzero((part == 0) & (classes >= 0))
    sets = np.where(part == 1, np.int8(TEST), np.int8(UNUSED))
    sets[at] = _assigned(intake, at, classes[at], labels, sizes, seed)
    for label, of_class in number.items():
        own = [np.flatnonzero((classes == of_class) & (sets == each)) for each in range(len(SETS))]
        unsupervised, fit, validation, test = (intake.images[places] for places in own)
        indices = (index[places] for places in own)
        yield label, ClassImages(unsupervised, fit, validation, test, *indices)


def _places(intake: Intake, sizes: Split) -> tuple[NDArray[np.int8], Numbers]:
    """Whether an image is for training (0), for the official test (1) or neither (-1); its index.

    If the test set is the source's own, indices count training and test images separately.
    """
    n_images = len(intake.labels)
    if sizes.test != "official":
        return np.zeros(n_images, np.int8), np.arange(n_images)
    if intake.is_test is None:
        raise DataError(
            "split.test is official, and the source has no test set of its own: set split.test to "
            "a fraction such as 0.2 and split.test_images to null"
        )
    part = intake.is_test.astype(np.int8)
    index = np.where(intake.is_test, np.cumsum(part), np.cumsum(1 - part)) - 1
    if sizes.test_images is not None:
        part[intake.is_test & (index >= sizes.test_images)] = -1
    return part, index


def _chosen(there: Iterable[str], sizes: Split) -> list[str]:
    """The labels of the classes that are split."""
    every = in_order(there)
    lacking = [label for label in sizes.chosen or () if label not in every]
    if lacking:
        raise DataError(
            f"split.classes names {some(map(repr, lacking))}, and the source has no training "
            f"images of that label: it has {', '.join(map(repr, every[:20]))}"
        )
    return sizes.chosen or every


def _check_test_labels(there: set[str], labels: Sequence[str]) -> None:
    """Refuse test images of classes that have no training images."""
    unknown = in_order(there - set(labels))
    if unknown:
        raise DataError(
            f"the test set has images of {some(map(repr, unknown))}, of which there are no "
            "training images: add some, or name the classes in split.classes"
        )


def _assigned(
    intake: Intake,
    at: Numbers,
    classes: Numbers,
    labels: Sequence[str],
    sizes: Split,
    seed: int,
) -> Sets:
    """Return the sets of the images at some positions, which the official test set lacks."""
    images = intake.images[at]
    wanted = wanted_sizes(np.bincount(classes, minlength=len(labels)), labels, sizes)
    same, keys = intake.originals[at], at.astype(np.uint64)
    if sizes.shuffle:
        keys = image_keys(images, [labels[label] for label in classes], seed)
    if intake.groups is None:
        sets = by_class(classes, same, keys, wanted)
    else:
        names, first, groups = np.unique(
            np.array(intake.groups)[at], return_index=True, return_inverse=True
        )
        order = group_keys(names.tolist(), seed) if sizes.shuffle else first
        sets = by_group(classes, same, groups, order, wanted)
    sets = trimmed(sets, classes, keys, most_images(wanted, sizes))
    _check_sets(sets, classes, labels, wanted, intake.groups is not None)
    return sets


def _check_sets(
    sets: Sets, classes: Numbers, labels: Sequence[str], wanted: Numbers, has_groups: bool
) -> None:
    """Refuse a class that has no image in some set."""
    for number, label in enumerate(labels):
        for which, name in enumerate(SETS):
            if which == TEST and not wanted[:, TEST].any():
                continue
            if not np.any((classes == number) & (sets == which)):
                what = "groups" if has_groups else "different images"
                raise DataError(
                    f"class {label!r} has too few {what} for the set {name!r}, which got none: add "
                    "some, or give that set more in split"
                )


def shared_with_test(intake: Intake) -> str | None:
    """Say what the source's own test set shares with its training images; None: nothing."""
    if intake.is_test is None:
        return None
    same, is_test = intake.originals, intake.is_test
    trained = dict(zip(same[~is_test], np.flatnonzero(~is_test), strict=True))
    shared = [place for place in np.flatnonzero(is_test).tolist() if same[place] in trained]
    if shared:
        first = shared[0]
        return (
            f"{len(shared):,} of {is_test.sum():,} test images are training images, too (the first "
            f"is {intake.name(first)}, like {intake.name(int(trained[same[first]]))})"
        )
    if intake.groups is not None:
        groups = np.array(intake.groups)
        both = in_order(set(groups[is_test]) & set(groups[~is_test]))
        if both:
            return f"{len(both):,} groups are in the training and the test set ({some(both)})"
    return None
