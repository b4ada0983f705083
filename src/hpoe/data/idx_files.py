"""IDX files of any labelled images: Fashion-MNIST, KMNIST, EMNIST and others like MNIST."""

from pathlib import Path

import numpy as np

from hpoe.data.idx import read_idx, read_labels
from hpoe.data.labelled import TEST, Arrays, Labelled, joined
from hpoe.errors import DataError


def read_idx_files(folder: Path) -> Labelled:
    """Read the training images and labels of a folder and, if there are any, those for the test.

    Raises:
        DataError: the names do not say which file is which, or a file is damaged.
    """
    files = _files(folder)
    images, labels = _pair(files, folder, is_test=False)
    if not any(is_test for is_test, _ in files):
        return Labelled(images, labels)
    test_images, test_labels = _pair(files, folder, is_test=True)
    every, flags = joined(images, test_images, folder)
    return Labelled(every, labels + test_labels, is_test=flags)


def _files(folder: Path) -> dict[tuple[bool, str], Path]:
    """The files by whether they are for the test and by what they hold, as their names say."""
    try:
        paths = sorted(path for path in folder.iterdir() if "idx" in path.name.lower())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    found: dict[tuple[bool, str], Path] = {}
    for path in paths:
        name = path.name.lower()
        content = "images" if "images" in name or "idx3" in name else "labels"
        key = "train" not in name and any(word in name for word in TEST), content
        if key in found:
            raise DataError(
                f"{folder} has {found[key].name} and {path.name}, which are of the same set: put "
                "the files of one data set into a folder of their own"
            )
        found[key] = path
    return found


def _pair(
    files: dict[tuple[bool, str], Path], folder: Path, is_test: bool
) -> tuple[Arrays, list[str]]:
    """Read the images and labels of one set."""
    kind = "test" if is_test else "train"
    for content, number in (("images", 3), ("labels", 1)):
        if (is_test, content) not in files:
            raise DataError(
                f"{folder} has no file for the {content} of the set {kind}: its name has "
                f"{kind}, {content} and idx{number} in it, like {kind}-{content}-idx{number}-ubyte"
            )
    path = files[is_test, "images"]
    images, labels = read_idx(path, 3), read_labels(files[is_test, "labels"])
    if len(images) != len(labels):
        raise DataError(f"{path}: {len(images)} images but {len(labels)} labels")
    return images, [str(label) for label in np.asarray(labels).tolist()]
