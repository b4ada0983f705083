"""Pictures of known classes to make outliers from, and how a figure becomes an image again.

Shapes: N images of R rows and C columns, uint8.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hpoe_recognition.formats import Format, placed

Images = NDArray[np.uint8]
Picture = NDArray[np.float32]
"""Levels in [0, 1] against a background near 0, of any size."""
FAINTEST = 0.1
"""Level from which a pixel belongs to a figure rather than to its background."""


@dataclass(frozen=True)
class Source:
    """Images of known classes, and the random generator to make outliers with."""

    images: Images
    positions: NDArray[np.int64]
    """The class of each image, [N]."""
    rng: np.random.Generator
    format: Format
    """Of the images; figures are brought to it as pictures are."""
    asymmetric: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """By a transform's name, the classes whose images it turns into something unknown."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the images."""
        return self.format.shape

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
        levels: Picture = (255 - image if self.is_dark_on_light else image) / np.float32(255)
        return levels

    def placed(self, figure: Picture) -> Images:
        """Turn a figure into an image, [R, C]."""
        image = placed(figure, self.format)
        return 255 - image if self.is_dark_on_light else image


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
