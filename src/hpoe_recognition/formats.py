"""The format of a project's images, and how a picture of any size and colour is brought to it.

The same code prepares pictures at intake and in the server, so that they cannot differ. Shapes: R
rows and C columns.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hpoe_recognition.fitting import as_fit, fitted, in_the_middle
from hpoe_recognition.preprocessing import already_prepared, as_ink, grey_levels, placed_ink
from hpoe_recognition.transparency import opaque

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


class ImageError(ValueError):
    """A picture cannot be read, is beyond the limits, or is not what the format asks for."""


def prepared(picture: Image.Image, format: Format) -> NDArray[np.uint8]:  # noqa: A002
    """Bring a picture of any mode to a format, [R, C].

    One that has been brought to it before is returned unchanged.

    Raises:
        ImageError: the format takes pictures as they are, and this one has another size or colour.
    """
    picture = opaque(picture)
    if format.preparation == "as_is":
        return as_it_is(picture, format.shape)
    if format.preparation == "fit":
        return as_fit(picture, format.shape)
    ready = already_prepared(picture, format.shape)
    return as_ink(picture, format.shape) if ready is None else ready


def as_it_is(picture: Image.Image, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the levels of a grey picture of R x C.

    Raises:
        ImageError: it has another size, or colours.
    """
    levels = grey_levels(picture)
    if levels is None or levels.shape != shape:
        width, height = picture.size
        colour = " in colour" if levels is None else ""
        raise ImageError(
            f"the image is {width} x {height} pixels{colour}: send {shape[1]} x {shape[0]} pixels "
            "in grey"
        )
    return levels


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
    values = fitted(Image.fromarray(np.ascontiguousarray(figure, np.float32)), format.shape)
    if format.preparation == "fit":
        values = values / values.max()
    return in_the_middle(255 * values.clip(0, 1), format.shape)
