"""Pictures of known classes to make outliers from, and how a figure becomes an image again.

Shapes: N images of R rows and C columns, uint8.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hpoe_recognition.preprocessing import SIDE, centred, ink_box, size_normalised

Images = NDArray[np.uint8]
Picture = NDArray[np.float32]
"""Levels in [0, 1] against a background near 0, of any size."""
Place = Callable[[Picture, tuple[int, int]], Images]
"""Turns a figure into an image of some rows and columns, as the pictures of the data were."""
FAINTEST = 0.1
"""Level from which a pixel belongs to a figure rather than to its background."""


@dataclass(frozen=True)
class Source:
    """Images of known classes, and the random generator to make outliers with."""

    images: Images
    positions: NDArray[np.int64]
    """The class of each image, [N]."""
    rng: np.random.Generator
    place: Place
    asymmetric: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """By a transform's name, the classes whose images it turns into something unknown."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the images."""
        rows, columns = self.images.shape[1:]
        return rows, columns

    @property
    def side(self) -> int:
        """The shorter side, in pixels; figures are drawn in proportion to it."""
        return min(self.size)

    @cached_property
    def is_dark_on_light(self) -> bool:
        """Whether backgrounds, at the images' edges, are light; figures are made of negatives."""
        edges = self.images[:, [0, -1]], self.images[:, :, [0, -1]]
        return bool(np.median(np.concatenate([edge.ravel() for edge in edges])) > 127)

    def any(self) -> Picture:
        """Draw an image, [R, C]."""
        return self.picture(self.rng.integers(len(self.images)))

    def pair(self) -> tuple[Picture, Picture]:
        """Draw images of two different classes."""
        first, second = self.rng.integers(len(self.images), size=2)
        while self.positions[first] == self.positions[second]:
            second = self.rng.integers(len(self.images))
        return self.picture(first), self.picture(second)

    def of(self, classes: NDArray[np.int64]) -> Picture:
        """Draw an image of one of some classes."""
        return self.picture(self.rng.choice(np.flatnonzero(np.isin(self.positions, classes))))

    def picture(self, at: np.int64) -> Picture:
        """Return one of the images, or its negative, as levels."""
        image = self.images[at]
        return np.divide(255 - image if self.is_dark_on_light else image, 255, dtype=np.float32)

    def placed(self, figure: Picture) -> Images:
        """Turn a figure into an image, [R, C]."""
        image = self.place(figure, self.size)
        return 255 - image if self.is_dark_on_light else image


def as_ink(figure: Picture, _: tuple[int, int]) -> Images:
    """Size and centre a figure's ink as MNIST's digits are, [28, 28]."""
    if not figure.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    dark = np.ascontiguousarray(figure / figure.max(), np.float32)
    return centred(size_normalised(dark, ink_box(dark)))


def resized(figure: Picture, size: tuple[int, int]) -> Images:
    """Resize a figure to some rows and columns."""
    if figure.shape != size:
        picture = Image.fromarray(np.ascontiguousarray(figure, np.float32))
        figure = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))
    return np.rint(255 * np.clip(figure, 0, 1)).astype(np.uint8)


def redrawn(images: Images, source: Source) -> Images:
    """Enlarge images, which makes ink paler, and place them again, [N, R, C].

    They bear the traces of placing that outliers have and the images of a data set may not.
    """
    most = 1 + 84 / source.side
    pictures = (255 - images if source.is_dark_on_light else images) / np.float32(255)
    larger = (ndimage.zoom(each, source.rng.uniform(1, most), order=1) for each in pictures)
    return np.stack([source.placed(each) for each in larger])


def cropped(picture: Picture) -> Picture:
    """Crop a picture to what stands out from the background; all of it if nothing does."""
    stands_out = picture > FAINTEST
    if not stands_out.any():
        return picture
    box = (np.flatnonzero(stands_out.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(where[0], where[-1] + 1) for where in box)
    return picture[rows, columns]
