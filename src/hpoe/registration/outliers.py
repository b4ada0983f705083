"""Outliers that the digit score is fitted against: figures that are not digits, made from digits.

Each kind destroys the shape of a digit but keeps its pen, stroke width, size and position. The
kinds differ from those that refusal is tested on (letters, shapes, strokes, symbols, noise).

Shapes: N images of R rows and C columns, uint8.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hpoe_recognition import formats

Images = NDArray[np.uint8]
Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """Images of digits to make outliers from, and the random generator to do it with."""

    images: Images
    labels: NDArray[np.int64]
    """The digits themselves, 0..9, [N]."""
    rng: np.random.Generator

    @property
    def kinds(self) -> "list[Kind]":
        """The kinds of outlier that can be made from these digits."""
        present = set(self.labels.tolist())
        return [kind for kind in KINDS if present & set(MADE_FROM.get(kind, present))]

    def any(self) -> Picture:
        """Draw an image, [R, C] in [0, 1]."""
        return self._image(self.rng.integers(len(self.images)))

    def pair(self) -> tuple[Picture, Picture]:
        """Draw images of two different digits."""
        first, second = self.rng.choice(len(self.images), 2, replace=False)
        while self.labels[first] == self.labels[second]:
            second = self.rng.integers(len(self.images))
        return self._image(first), self._image(second)

    def for_kind(self, kind: "Kind") -> Picture:
        """Draw an image of one of the digits that a kind is made from."""
        return self._image(self.rng.choice(np.flatnonzero(np.isin(self.labels, MADE_FROM[kind]))))

    def turned(self, piece: Picture) -> Picture:
        """Rotate a piece by a random angle."""
        rotated: Picture = ndimage.rotate(piece, self.rng.uniform(0, 360), order=1)
        return rotated

    def _image(self, at: np.int64) -> Picture:
        image: Picture = self.images[at] / np.float32(255)
        return image


def outliers(source: Source, count: int) -> Iterator[Images]:
    """Yield `count` images of each kind, placed as digits are, [count, R, C]."""
    for kind in source.kinds:
        yield np.stack([placed(kind(source)) for _ in range(count)])


def redrawn(digits: Images, rng: np.random.Generator) -> Images:
    """Enlarge digits, which makes them paler, and place them again, [N, R, C].

    They bear the traces of placing that outliers have and MNIST's own images do not.
    """
    larger = (ndimage.zoom(image / np.float32(255), rng.uniform(1, 4), order=1) for image in digits)
    return np.stack([placed(image) for image in larger])


def placed(figure: Picture) -> Images:
    """Size and centre a figure's ink, 0 to 1, as MNIST's digits are, [28, 28]."""
    return formats.placed(figure, formats.MNIST)


def halves(source: Source) -> Picture:
    """One half of a digit, the other of another."""
    first, second = source.pair()
    if source.rng.integers(2):
        first, second = first.T, second.T
    middle = len(first) // 2
    return np.concatenate([first[:middle], second[middle:]])


def overlaid(source: Source) -> Picture:
    """Two digits, one written over the other."""
    return np.maximum(*source.pair())


def side_by_side(source: Source) -> Picture:
    """A number of two digits."""
    return np.concatenate(
        [inked(source.any()), np.zeros((28, 2), np.float32), inked(source.any())], 1
    )


def mirrored(source: Source) -> Picture:
    """A digit mirrored left to right."""
    return source.for_kind(mirrored)[:, ::-1]


def upside_down(source: Source) -> Picture:
    """A digit mirrored top to bottom."""
    return source.for_kind(upside_down)[::-1]


def doubled(source: Source) -> Picture:
    """A digit over its mirror image or its transpose."""
    image = source.any()
    return np.maximum(image, image[:, ::-1] if source.rng.integers(2) else image.T)


def symmetric(source: Source) -> Picture:
    """A half of a digit beside or above its mirror image, or both."""
    image = source.any()
    half = image[:, : image.shape[1] // 2]
    figure = np.concatenate([half, half[:, ::-1]], axis=1)
    if source.rng.integers(2):
        figure = np.concatenate([figure[:14], figure[:14][::-1]])
    return figure.T if source.rng.integers(2) else figure


def shuffled_quarters(source: Source) -> Picture:
    """The quarters of a digit, permuted."""
    upper, lower = np.array_split(source.any()[4:24, 4:24], 2)
    quarters = [*np.array_split(upper, 2, axis=1), *np.array_split(lower, 2, axis=1)]
    a, b, c, d = (
        quarters[k] for k in ((1, 2, 3, 0), (3, 0, 1, 2), (3, 2, 1, 0))[source.rng.integers(3)]
    )
    return np.block([[a, b], [c, d]])


def cut(source: Source) -> Picture:
    """Half a digit."""
    image = np.rot90(source.any(), int(source.rng.integers(4))).copy()
    rows = np.flatnonzero(image.any(axis=1))
    image[(rows[0] + rows[-1]) // 2 :] = 0
    return np.rot90(image, int(source.rng.integers(4)))


def fragment(source: Source) -> Picture:
    """A small piece of a digit, rotated and enlarged to a digit's size."""
    size = int(source.rng.integers(8, 13))
    return source.turned(_piece(source, size))


def collage(source: Source) -> Picture:
    """Pieces of several digits, rotated, beside and over each other."""
    sheet = np.zeros((40, 40), np.float32)
    for _ in range(source.rng.integers(2, 5)):
        _lay(sheet, source.turned(_piece(source, int(source.rng.integers(8, 18)))), source.rng)
    return sheet


def warped(source: Source) -> Picture:
    """A digit torn by a rough random displacement of its pixels."""
    image = source.any()
    noise = source.rng.standard_normal((2, *image.shape))
    displacement = 60 * ndimage.gaussian_filter(noise, (0, 3, 3))
    torn: Picture = ndimage.map_coordinates(image, np.indices(image.shape) + displacement, order=1)
    return torn


def transposed(source: Source) -> Picture:
    """A digit reflected in its diagonal."""
    return source.for_kind(transposed).T


def spliced(source: Source) -> Picture:
    """Half of one digit, and half of another rotated by a quarter turn or more."""
    first, second = source.pair()
    middle = first.shape[1] // 2
    second = np.rot90(second, int(source.rng.integers(1, 4)))
    figure = np.concatenate([first[:, :middle], second[:, middle:]], axis=1)
    return np.rot90(figure, int(source.rng.integers(4)))


def touching(source: Source) -> Picture:
    """Two digits that overlap at the side."""
    first, second = inked(source.any()), inked(source.any())
    shared = min(int(source.rng.integers(1, 8)), first.shape[1] - 1, second.shape[1] - 1)
    left = np.pad(first, ((0, 0), (0, second.shape[1] - shared)))
    return np.maximum(left, np.pad(second, ((0, 0), (first.shape[1] - shared, 0))))


def heap(source: Source) -> Picture:
    """Digits of several sizes, rotated, over each other."""
    sheet = np.zeros((56, 56), np.float32)
    for _ in range(source.rng.integers(2, 5)):
        larger = ndimage.zoom(source.any()[4:24, 4:24], source.rng.uniform(0.5, 1.8, 2), order=1)
        _lay(sheet, source.turned(larger), source.rng)
    return sheet


def crossed(source: Source) -> Picture:
    """Ones across each other, all rotated by one angle."""
    sheet = np.zeros((56, 56), np.float32)
    angle = source.rng.uniform(0, 360)
    for number in range(source.rng.integers(2, 5)):
        times = source.rng.uniform(1, 2.4), source.rng.uniform(0.8, 1.6)
        larger = ndimage.zoom(source.for_kind(crossed)[4:24, 9:19], times, order=1)
        _lay(sheet, ndimage.rotate(larger, angle + 90 * (number % 2), order=1), source.rng)
    return sheet


def shards(source: Source) -> Picture:
    """A thickened digit, cut by straight lines."""
    ink = ndimage.zoom(source.any(), 3, order=1) > 0.4
    ink = ndimage.binary_dilation(ink, iterations=int(source.rng.integers(1, 12)))
    rows, columns = np.indices(ink.shape) - len(ink) / 2
    for _ in range(source.rng.integers(1, 4)):
        angle = source.rng.uniform(0, 2 * np.pi)
        ink &= rows * np.sin(angle) + columns * np.cos(angle) < source.rng.uniform(3, 18)
    figure: Picture = ink.astype(np.float32)
    return figure


def skewed(source: Source) -> Picture:
    """A digit slanted further than people write."""
    image = ndimage.zoom(source.for_kind(skewed), 2, order=1)
    image = np.pad(image, len(image) // 2)
    shear = np.eye(2)
    shear[(0, 1) if source.rng.integers(2) else (1, 0)] = source.rng.uniform(
        0.9, 1.6
    ) * source.rng.choice((-1, 1))
    middle = np.array(image.shape) / 2
    slanted: Picture = ndimage.affine_transform(
        image, shear, offset=middle - shear @ middle, order=1
    )
    return slanted


def outlined(source: Source) -> Picture:
    """The outline of a digit."""
    ink = ndimage.zoom(source.any(), 3, order=1) > 0.4
    outline = ndimage.binary_dilation(ink, iterations=4) & ~ndimage.binary_dilation(ink)
    figure: Picture = outline.astype(np.float32)
    return figure


def filled(source: Source) -> Picture:
    """A digit of very thick strokes, its loops filled."""
    strokes = ndimage.binary_dilation(source.any() > 0.4, iterations=int(source.rng.integers(2, 5)))
    figure: Picture = ndimage.gaussian_filter(
        ndimage.binary_fill_holes(strokes).astype(np.float32), 0.5
    )
    return figure


def negative(source: Source) -> Picture:
    """A dark digit in a light square."""
    figure: Picture = 1 - source.any()[4:24, 4:24]
    return figure


def blobs(source: Source) -> Picture:
    """Smooth noise with a soft or hard edge."""
    noise = ndimage.gaussian_filter(source.rng.standard_normal((28, 28)), source.rng.uniform(1, 4))
    level = (noise - noise.mean()) / noise.std() - source.rng.uniform(0, 1.5)
    cloud: Picture = (1 / (1 + np.exp(-level * source.rng.uniform(4, 20)))).astype(np.float32)
    return cloud


def mixed(source: Source) -> Picture:
    """The blurred mean of several digits."""
    figure: Picture = np.mean([source.any() for _ in range(source.rng.integers(3, 7))], axis=0)
    return figure


def specks(source: Source) -> Picture:
    """A few specks on a black image."""
    sheet = np.zeros((28, 28), np.float32)
    for row, column in source.rng.integers(4, 23, (source.rng.integers(1, 5), 2)):
        sheet[row : row + 2, column : column + 2] = source.rng.uniform(0.3, 1)
    return sheet


Kind = Callable[[Source], Picture]
KINDS: tuple[Kind, ...] = (
    *(halves, overlaid, side_by_side, mirrored, upside_down, doubled, symmetric),
    *(shuffled_quarters, cut, fragment, collage, warped, transposed, spliced, touching, heap),
    *(crossed, shards, skewed, outlined, filled, negative, blobs, mixed, specks),
)
MADE_FROM: dict[Kind, tuple[int, ...]] = {
    mirrored: (2, 3, 4, 5, 6, 7, 9),
    upside_down: (2, 4, 5, 6, 7, 9),
    transposed: (2, 3, 4, 5, 6, 7, 9),
    crossed: (1,),
    skewed: (0, 2, 3, 4, 5, 6, 8, 9),
}
"""Digits that a kind is made from, where others would still look like digits."""


def inked(image: Picture) -> Picture:
    """Crop an image to the columns from the first to the last with ink."""
    columns = np.flatnonzero(image.any(axis=0))
    return image[:, columns[0] : columns[-1] + 1]


def _piece(source: Source, size: int) -> Picture:
    """Draw a square piece of a digit that has ink in it."""
    image = source.any()
    while True:
        row, column = source.rng.integers(4, 25 - size, 2)
        piece = image[row : row + size, column : column + size]
        if piece.max() > 0.5:
            return piece


def _lay(sheet: Picture, piece: Picture, rng: np.random.Generator) -> None:
    """Lay a piece, cropped to fit, at a random place of a sheet."""
    piece = piece[: sheet.shape[0], : sheet.shape[1]]
    rows, columns = (
        int(rng.integers(0, whole - size + 1))
        for whole, size in zip(sheet.shape, piece.shape, strict=True)
    )
    spot = sheet[rows : rows + piece.shape[0], columns : columns + piece.shape[1]]
    np.maximum(spot, piece, out=spot)
