"""A folder of pictures: one subfolder per class, and perhaps train and test above them.

    CLASS/PICTURE                     or, where images belong together (a writer, a page, a device):
    CLASS/GROUP/PICTURE
    train/CLASS/..., test/CLASS/...

Hidden files and folders, and those that systems leave behind, are not looked at.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpoe.data.labelled import TEST, TRAINING, Labelled, check_labels, some
from hpoe.errors import DataError
from hpoe.labels import clean, in_order
from hpoe_recognition.images import SUFFIXES

LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx"}
"""Of Windows and macOS, in lower case."""
PICTURES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)


@dataclass(frozen=True)
class _Item:
    path: Path
    label: str
    group: str | None
    is_test: bool


def read_folder(root: Path) -> Labelled:
    """List the pictures of a folder, by class in natural order; none is opened.

    Raises:
        DataError: there are no subfolders of classes, or a subfolder is empty, nested too deep or
            cannot be listed; a link leads out of the folder; some pictures have groups and others
            have none.
    """
    sets = _sets(root)
    items = [item for is_test, folder in sets for item in _classes(folder, root, is_test)]
    grouped = [item.group is not None for item in items]
    if any(grouped) and not all(grouped):
        single = items[grouped.index(False)].path
        raise DataError(
            f"{root}: some pictures are in folders of groups within their class, and {single} and "
            "others are not: use CLASS/PICTURE or CLASS/GROUP/PICTURE for all"
        )
    flags = np.array([item.is_test for item in items])
    return Labelled(
        [item.path for item in items],
        [item.label for item in items],
        [str(item.group) for item in items] if any(grouped) else None,
        flags if flags.any() else None,
        [str(item.path.relative_to(root)) for item in items],
    )


def _sets(root: Path) -> list[tuple[bool, Path]]:
    """The folders that contain the classes, and whether they are a test set; training first."""
    inside = [path for path in _visible(root, root) if path.is_dir()]
    names = {path.name.lower() for path in inside}
    if not names & {*TRAINING[:2]} or not names <= {*TRAINING, *TEST}:
        return [(False, root)]
    return sorted((path.name.lower() in TEST, path) for path in inside)


def _classes(folder: Path, root: Path, is_test: bool) -> Iterator[_Item]:
    """Yield the pictures of the classes in a folder."""
    inside = _visible(folder, root)
    loose = [path.name for path in inside if path.suffix.lower() in PICTURES and path.is_file()]
    if loose:
        raise DataError(
            f"{folder} has {len(loose)} pictures that are in no folder of a class "
            f"({some(loose)}): move each into the folder of its class"
        )
    names = {path.name: path for path in inside if path.is_dir()}
    if not names:
        raise DataError(f"{folder} has no subfolders: put the pictures of each class into its own")
    _check_names(list(names), folder)
    for name in in_order(names):
        yield from _pictures(names[name], root, is_test)


def _check_names(names: list[str], folder: Path) -> None:
    """Refuse folders whose labels are equal or cannot be used."""
    labels: dict[str, str] = {}
    for name in names:
        twin = labels.setdefault(clean(name), name)
        if twin != name:
            raise DataError(
                f"{folder}: the folders {twin!r} and {name!r} have the same label once spaces and "
                "accents are written alike: join them"
            )
    check_labels(labels, folder)


def _pictures(folder: Path, root: Path, is_test: bool) -> Iterator[_Item]:
    """Yield the pictures of a class."""
    inside, label = _visible(folder, root), clean(folder.name)
    if not any(inside):
        raise DataError(f"{folder} has no pictures: add some, or remove the folder")
    for path in inside:
        if not path.is_dir():
            yield _Item(path, label, None, is_test)
            continue
        for picture in _visible(path, root):
            if picture.is_dir():
                raise DataError(
                    f"{picture} is nested too deep: use CLASS/PICTURE or CLASS/GROUP/PICTURE"
                )
            yield _Item(picture, label, clean(path.name), is_test)


def _visible(folder: Path, root: Path) -> list[Path]:
    """What is in a folder, in natural order, without what is hidden.

    Raises:
        DataError: it cannot be listed, or a link leads out of the tree.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_symlink() for entry in entries}
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    names = [name for name in found if name[0] != "." and name.lower() not in LEFT_BEHIND]
    for name in names:
        if found[name]:
            check_inside(folder / name, root)
    return [folder / name for name in in_order(names)]


def check_inside(path: Path, root: Path) -> None:
    """Check that a path, its links followed, is within a folder.

    Raises:
        DataError: it is not.
    """
    try:
        target = path.resolve()
    except (OSError, RuntimeError):  # a circle of links
        raise DataError(f"{path} is a link to itself: remove it") from None
    if not target.is_relative_to(root.resolve()):
        raise DataError(
            f"{path} leads out of {root}, to {target}: copy what is needed into the folder"
        )
