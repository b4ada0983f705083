"""The format of a project's images."""

from dataclasses import dataclass
from typing import Literal

PicturePreparation = Literal["as_is", "ink", "fit"]


@dataclass(frozen=True)
class Format:
    """What every image of a project is brought to: uint8 [rows, columns], 0 background."""

    rows: int
    columns: int
    preparation: PicturePreparation


MNIST = Format(28, 28, "ink")
