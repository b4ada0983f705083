"""How a data set could be used: its source, format and split, each with the reason."""

import math
from dataclasses import dataclass, field
from typing import Any

from hpoe.data.looks import Looks
from hpoe_recognition.formats import PicturePreparation

LEAST_SIDE, MOST_SIDE = 8, 64
AREA = 28 * 28
"""Pixels of the arrays that are proposed: as many as MNIST's."""
ALMOST_ALL = 0.95
"""Share of pictures that decides."""


@dataclass(frozen=True)
class Proposal:
    """Values for the blocks `data` and `split` of params.yaml, and why."""

    source: str
    path: str
    image_size: tuple[int, int]
    preparation: PicturePreparation
    columns: dict[str, str | None] | None
    unsupervised_per_class: float
    supervised_per_class: float
    test: float | str
    reasons: dict[str, str] = field(default_factory=dict)
    """By the name of the value."""

    def blocks(self) -> dict[str, dict[str, Any]]:
        """The blocks `data` and `split`, as they are written to params.yaml."""
        data = {
            "source": self.source,
            "path": self.path,
            "image_size": list(self.image_size),
            "preparation": self.preparation,
            "skip_unreadable": False,
            "columns": self.columns,
        }
        split = {
            "classes": "all",
            "unsupervised_per_class": self.unsupervised_per_class,
            "supervised_per_class": self.supervised_per_class,
            "test": self.test,
            "test_images": None,
            "shuffle": True,
        }
        return {"data": data, "split": split}


def propose(
    looks: Looks,
    source: tuple[str, str],
    columns: dict[str, str | None] | None,
    test_images: int,
) -> Proposal:
    """Choose the values for a data set.

    Args:
        looks: of its pictures.
        source: its kind, and where it is.
        columns: of a table.
        test_images: how many images its own test set has.
    """
    preparation, size, reasons = _format(looks)
    reasons["test"] = "20 % of each class, because there is no test set"
    if test_images:
        reasons["test"] = f"the {test_images:,} images of the source's own test set"
    reasons["unsupervised_per_class"] = "70 % of a class's training images train its RBMs"
    reasons["supervised_per_class"] = "30 % for the classifier, half of them for validation"
    return Proposal(
        *source,
        image_size=size,
        preparation=preparation,
        columns=columns,
        unsupervised_per_class=0.7,
        supervised_per_class=0.3,
        test="official" if test_images else 0.2,
        reasons=reasons,
    )


def _format(looks: Looks) -> tuple[PicturePreparation, tuple[int, int], dict[str, str]]:
    """Choose preparation and size."""
    size, many = looks.sizes.most_common(1)[0]
    is_small = all(LEAST_SIDE <= side <= MOST_SIDE for side in size)
    is_plain = looks.modes["grey"] == looks.seen and looks.light >= ALMOST_ALL * looks.seen
    if many == looks.seen and is_small and is_plain:
        shown = f"{size[0]} x {size[1]}"
        why = f"all pictures are grey, {shown}, and light on dark: they are arrays already"
        return "as_is", size, {"preparation": why, "image_size": f"all pictures are {shown}"}
    if looks.ink >= ALMOST_ALL * looks.seen:
        reasons = {
            "preparation": "most pictures are marks on a sheet of one colour: marks are cut out",
            "image_size": "as MNIST's, into which marks are fitted by their longer side",
        }
        return "ink", (28, 28), reasons
    size = _size(looks)
    reasons = {
        "preparation": "pictures fill their frame or have no plain ground: all of each is used",
        "image_size": f"about {AREA} pixels, with the pictures' usual ratio of sides",
    }
    return "fit", size, reasons


def _size(looks: Looks) -> tuple[int, int]:
    """About `AREA` pixels, of the median ratio of the pictures' sides."""
    ratios = sorted(
        ratio for (rows, columns), many in looks.sizes.items() for ratio in [columns / rows] * many
    )
    root = math.sqrt(ratios[len(ratios) // 2])
    if 0.8 <= root * root <= 1.25:
        root = 1.0
    rows, columns = (
        min(MOST_SIDE, max(LEAST_SIDE, 2 * round(math.sqrt(AREA) * each / 2)))
        for each in (1 / root, root)
    )
    return rows, columns
