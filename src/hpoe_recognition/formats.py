"""A picture becomes an array: its size and preparation, at intake and in the server alike."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PicturePreparation = Literal["as_is", "ink", "fit"]


@dataclass(frozen=True)
class Format:
    """Rows, columns and preparation of arrays."""

    rows: int
    columns: int
    preparation: PicturePreparation


MNIST = Format(28, 28, "ink")


def prepared(picture: Image.Image, format: Format) -> NDArray[np.uint8]:  # noqa: A002
    """Return the array [rows, columns] of a grey or RGB picture.

    Raises:
        ImageError: the picture does not have the format's size.
    """
    from hpoe_recognition.images import ImageError, mnist_digit
    from hpoe_recognition.preprocessing import as_mnist, contrast_grey

    if format.preparation == "as_is":
        if picture.size != (format.columns, format.rows):
            raise ImageError(
                f"the image is {picture.height} x {picture.width} pixels, not "
                f"{format.rows} x {format.columns}"
            )
        return np.asarray(contrast_grey(picture))
    if format.preparation == "fit":
        small = contrast_grey(picture).resize((format.columns, format.rows))
        return np.asarray(small)
    digit = mnist_digit(picture)
    return as_mnist(picture) if digit is None else digit
