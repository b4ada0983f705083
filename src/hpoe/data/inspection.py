"""Stand-in for the inspection of labelled images, until the real one is merged: folders only."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from hpoe.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Proposal:
    """What params.yaml is to say of the data, and why."""

    source: str
    image_size: tuple[int, int]
    preparation: str
    split: dict[str, Any]
    columns: dict[str, str | None] | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Findings:
    """What was found in the data."""

    path: Path
    classes: dict[str, int]
    """Images by label."""
    proposal: Proposal

    def report(self) -> Iterator[str]:
        """Lines for the terminal: what was found, what is chosen, and why."""
        fewest, most = min(self.classes.values()), max(self.classes.values())
        total = sum(self.classes.values())
        yield f"{self.path}: {total:,} images in {len(self.classes)} classes"
        yield f"{fewest:,} to {most:,} images per class"
        yield from self.proposal.reasons


def inspect(path: Path) -> Findings:
    """Look at a folder with one subfolder for each class.

    Raises:
        DataError: there are fewer than two classes.
    """
    folders = sorted(each for each in path.iterdir() if each.is_dir()) if path.is_dir() else []
    files = {folder.name: _pictures(folder) for folder in folders}
    files = {label: found for label, found in files.items() if found}
    if len(files) < 2:
        raise DataError(
            f"{path} has {len(files)} subfolders with images: make one subfolder for each class"
        )
    sizes = set()
    for found in files.values():
        for file in found[:20]:
            with Image.open(file) as picture:
                sizes.add((picture.height, picture.width))
    (rows, columns), *others = sorted(sizes)
    fixed = not others and min(rows, columns) >= 8 and max(rows, columns) <= 64
    split = {
        "classes": "all",
        "unsupervised_per_class": 0.7,
        "supervised_per_class": 0.3,
        "test": 0.2,
        "test_images": None,
        "shuffle": True,
    }
    proposal = Proposal(
        "folder",
        (rows, columns) if fixed else (28, 28),
        "as_is" if fixed else "fit",
        split,
        reasons=["all images have one size" if fixed else "the images have several sizes"],
    )
    return Findings(path, {label: len(found) for label, found in files.items()}, proposal)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
