"""The format of a project's images, and how a picture of any size and colour is brought to it.

The same code prepares pictures at intake and in the server, so that they cannot differ. Shapes: R
rows and C columns.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.fitting import fitted, in_the_middle
from hpoe_recognition.preprocessing import placed_ink

PicturePreparation = Literal["as_is", "ink", "fit"]


@dataclass(frozen=True)
class Format:
    """What every image of a project is brought to: uint8 [R, C], 0 background."""

    rows: int
    """8 to 64, like the columns."""
    columns: int
    preparation: PicturePreparation
    """`ink`: the ink alone, sized and placed as MNIST's digits are. `fit`: the whole picture.
    `as_is`: the levels as they are, of grey pictures that have this size."""

    @property
    def shape(self) -> tuple[int, int]:
        """R and C."""
        return self.rows, self.columns


MNIST = Format(28, 28, "ink")


def placed(figure: NDArray[np.float32], format: Format) -> NDArray[np.uint8]:  # noqa: A002
    """Bring a figure, 0 background to 1, [height, width] of any size, to a format, [R, C].

    For `ink` its ink is sized and centred. For `fit` and `as_is` all of it is fitted, its aspect
    ratio kept, zeros around it. But for `as_is`, its largest value becomes 255.
    """
    largest = float(figure.max(initial=0))
    if largest <= 0:
        return np.zeros(format.shape, np.uint8)
    if format.preparation == "ink":
        return placed_ink(np.ascontiguousarray(figure / largest, np.float32), format.shape)
    values = fitted(np.ascontiguousarray(figure, np.float32), format.shape)
    if format.preparation == "fit":
        values = values / values.max()
    return in_the_middle(values, format.shape)
