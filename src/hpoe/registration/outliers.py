"""Outliers that the known score is fitted against: pictures made from known ones.

Most kinds destroy the shape of a figure but keep its texture, stroke width, size and position.
A transform, such as a reflection, is applied only to classes that are not symmetric under it.
Neutral pictures (neutral.py) use nothing of the data but its size.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hpoe.registration.neutral import NEUTRAL
from hpoe.registration.source import FAINTEST, Images, Picture, Source, cropped

Transform = Callable[[Picture, np.random.Generator], Picture]
Kind = Callable[[Source], Picture]
FINE = 84
"""Pixels of the shorter side at which outlines are drawn."""
INK = 0.4
"""Level from which a pixel is ink, where figures become silhouettes."""


def outliers(source: Source, kind: str, count: int) -> Images:
    """Make some outliers of a kind, placed as known images are, [count, R, C]."""
    return np.stack([source.placed(_figure(source, kind)) for _ in range(count)])


def kinds(source: Source) -> list[str]:
    """Return the names of the kinds that can be made from a source."""
    return [*(name for name in TRANSFORMS if len(source.asymmetric.get(name, ()))), *KINDS]


def _figure(source: Source, kind: str) -> Picture:
    if kind in KINDS:
        return KINDS[kind](source)
    return TRANSFORMS[kind](source.of(source.asymmetric[kind]), source.rng)


def mirrored(picture: Picture, _: np.random.Generator) -> Picture:
    """Mirror left to right."""
    return picture[:, ::-1]


def upside_down(picture: Picture, _: np.random.Generator) -> Picture:
    """Mirror top to bottom."""
    return picture[::-1]


def transposed(picture: Picture, _: np.random.Generator) -> Picture:
    """Reflect in the diagonal."""
    return picture.T


def turned_left(picture: Picture, rng: np.random.Generator) -> Picture:
    """Turn by a quarter, give or take some degrees."""
    return _turned(picture, 90, rng)


def turned_right(picture: Picture, rng: np.random.Generator) -> Picture:
    """Turn by a quarter the other way, give or take some degrees."""
    return _turned(picture, 270, rng)


def half_turned(picture: Picture, rng: np.random.Generator) -> Picture:
    """Turn by a half, give or take some degrees."""
    return _turned(picture, 180, rng)


def skewed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Slant further than people write."""
    image = ndimage.zoom(picture, 2, order=1)
    image = np.pad(image, max(image.shape) // 2, mode="edge")
    shear = np.eye(2)
    shear[(0, 1) if rng.integers(2) else (1, 0)] = rng.uniform(0.9, 1.6) * rng.choice((-1, 1))
    middle = np.array(image.shape) / 2
    slanted: Picture = ndimage.affine_transform(
        image, shear, offset=middle - shear @ middle, order=1, mode="nearest"
    )
    return slanted


TRANSFORMS: dict[str, Transform] = {
    transform.__name__: transform
    for transform in (
        *(mirrored, upside_down, transposed, turned_left, turned_right, half_turned, skewed),
    )
}


def halves(source: Source) -> Picture:
    """One half of a picture, the other of another class's."""
    first, second = source.pair()
    if source.rng.integers(2):
        first, second = first.T, second.T
    middle = len(first) // 2
    return np.concatenate([first[:middle], second[middle:]])


def overlaid(source: Source) -> Picture:
    """Two pictures, one drawn over the other."""
    return np.maximum(*source.pair())


def side_by_side(source: Source) -> Picture:
    """Two figures beside each other."""
    return np.concatenate([_column(source.any()), _gap(source), _column(source.any())], 1)


def doubled(source: Source) -> Picture:
    """A picture over its mirror image, or over itself turned by a half."""
    image = source.any()
    return np.maximum(image, image[:, ::-1] if source.rng.integers(2) else image[::-1, ::-1])


def symmetric(source: Source) -> Picture:
    """A half of a picture beside or above its mirror image, or both."""
    image = source.any()
    half = image[:, : image.shape[1] // 2]
    figure = np.concatenate([half, half[:, ::-1]], axis=1)
    if source.rng.integers(2):
        upper = figure[: len(figure) // 2]
        figure = np.concatenate([upper, upper[::-1]])
    return figure.T if source.rng.integers(2) else figure


def shuffled_quarters(source: Source) -> Picture:
    """The quarters of a figure, permuted."""
    figure = cropped(source.any())
    rows, columns = (length // 2 for length in figure.shape)
    quarters = [
        figure[down : down + rows, right : right + columns]
        for down in (0, len(figure) - rows)
        for right in (0, figure.shape[1] - columns)
    ]
    orders = ((1, 2, 3, 0), (3, 0, 1, 2), (3, 2, 1, 0))
    a, b, c, d = (quarters[k] for k in orders[source.rng.integers(len(orders))])
    return np.block([[a, b], [c, d]])


def cut(source: Source) -> Picture:
    """Half a figure."""
    image = np.rot90(source.any(), int(source.rng.integers(4))).copy()
    rows = np.flatnonzero((image > FAINTEST).any(axis=1))
    if len(rows):
        image[(rows[0] + rows[-1]) // 2 :] = 0
    return np.rot90(image, int(source.rng.integers(4)))


def fragment(source: Source) -> Picture:
    """A small piece of a picture, rotated and enlarged to a picture's size."""
    return _spun(_piece(source, 8, 13), source)


def collage(source: Source) -> Picture:
    """Pieces of several pictures, rotated, beside and over each other."""
    sheet = _sheet(source, 1.43)
    for _ in range(source.rng.integers(2, 5)):
        _lay(sheet, _spun(_piece(source, 8, 18), source), source.rng)
    return sheet


def warped(source: Source) -> Picture:
    """A picture torn by a rough random displacement of its pixels."""
    image, smoothness = source.any(), 0.107 * source.side
    noise = source.rng.standard_normal((2, *image.shape))
    displacement = ndimage.gaussian_filter(noise, (0, smoothness, smoothness))
    displacement *= 0.0765 * source.side**2
    torn: Picture = ndimage.map_coordinates(image, np.indices(image.shape) + displacement, order=1)
    return torn


def spliced(source: Source) -> Picture:
    """Half of one picture, and half of another rotated by a quarter turn or more."""
    first, second = (_square(picture) for picture in source.pair())
    middle = first.shape[1] // 2
    second = np.rot90(second, int(source.rng.integers(1, 4)))
    figure = np.concatenate([first[:, :middle], second[:, middle:]], axis=1)
    return np.rot90(figure, int(source.rng.integers(4)))


def touching(source: Source) -> Picture:
    """Two figures that overlap at the side."""
    first, second = _column(source.any()), _column(source.any())
    most = max(2, 2 * source.side // 7)
    shared = min(int(source.rng.integers(1, most)), first.shape[1] - 1, second.shape[1] - 1)
    left = np.pad(first, ((0, 0), (0, second.shape[1] - shared)))
    return np.maximum(left, np.pad(second, ((0, 0), (first.shape[1] - shared, 0))))


def heap(source: Source) -> Picture:
    """Figures of several sizes, rotated, over each other."""
    sheet = _sheet(source, 2)
    for _ in range(source.rng.integers(2, 5)):
        larger = _zoomed(cropped(source.any()), source.rng.uniform(0.5, 1.8, 2))
        _lay(sheet, _spun(larger, source), source.rng)
    return sheet


def shards(source: Source) -> Picture:
    """A thickened figure, cut by straight lines."""
    ink = _silhouette(source)
    ink = ndimage.binary_dilation(ink, iterations=int(source.rng.integers(1, 12)))
    rows, columns = (
        at - length / 2 for at, length in zip(np.indices(ink.shape), ink.shape, strict=True)
    )
    for _ in range(source.rng.integers(1, 4)):
        angle = source.rng.uniform(0, 2 * np.pi)
        ink &= rows * np.sin(angle) + columns * np.cos(angle) < source.rng.uniform(3, 18)
    figure: Picture = ink.astype(np.float32)
    return figure


def outlined(source: Source) -> Picture:
    """The outline of a figure."""
    ink = _silhouette(source)
    outline = ndimage.binary_dilation(ink, iterations=4) & ~ndimage.binary_dilation(ink)
    figure: Picture = outline.astype(np.float32)
    return figure


def filled(source: Source) -> Picture:
    """A figure of very thick strokes, its loops filled."""
    iterations = max(1, round(source.rng.integers(2, 5) * source.side / 28))
    strokes = ndimage.binary_dilation(source.any() > INK, iterations=iterations)
    figure: Picture = ndimage.gaussian_filter(
        ndimage.binary_fill_holes(strokes).astype(np.float32), 0.5
    )
    return figure


def negative(source: Source) -> Picture:
    """The negative of a figure."""
    figure: Picture = 1 - cropped(source.any())
    return figure


def mixed(source: Source) -> Picture:
    """The blurred mean of several pictures."""
    figure: Picture = np.mean([source.any() for _ in range(source.rng.integers(3, 7))], axis=0)
    return figure


def shuffled(source: Source) -> Picture:
    """The pixels, or small squares, of a figure in random order."""
    figure = cropped(source.any())
    size = int(source.rng.integers(1, 1 + max(1, source.side // 7)))
    rows, columns = (length // size for length in figure.shape)
    if rows * columns < 2:
        return figure
    squares = figure[: rows * size, : columns * size].reshape(rows, size, columns, size)
    squares = source.rng.permutation(squares.swapaxes(1, 2).reshape(-1, size, size))
    return squares.reshape(rows, columns, size, size).swapaxes(1, 2).reshape(rows * size, -1)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(halves, overlaid, side_by_side, doubled, symmetric, shuffled_quarters, cut, fragment),
        *(collage, warped, spliced, touching, heap, shards, outlined, filled, negative, mixed),
        *(shuffled, *NEUTRAL),
    )
}


def _turned(picture: Picture, angle: float, rng: np.random.Generator) -> Picture:
    degrees = angle + rng.uniform(-15, 15)
    result: Picture = ndimage.rotate(picture, degrees, order=1, mode="nearest")
    return result


def _column(picture: Picture) -> Picture:
    """Crop a picture to the columns of its figure, at full height."""
    columns = np.flatnonzero((picture > FAINTEST).any(axis=0))
    return picture[:, columns[0] : columns[-1] + 1] if len(columns) else picture


def _gap(source: Source) -> Picture:
    return np.zeros((source.size[0], max(1, source.side // 14)), np.float32)


def _sheet(source: Source, times: float) -> Picture:
    rows, columns = (round(times * length) for length in source.size)
    return np.zeros((rows, columns), np.float32)


def _square(picture: Picture) -> Picture:
    """Crop the middle of a picture to a square."""
    side = min(picture.shape)
    top, left = ((length - side) // 2 for length in picture.shape)
    return picture[top : top + side, left : left + side]


def _zoomed(picture: Picture, times: float | NDArray[np.float64]) -> Picture:
    zoomed: Picture = ndimage.zoom(picture, times, order=1)
    return zoomed if zoomed.size else picture


def _silhouette(source: Source) -> NDArray[np.bool_]:
    """The ink of a picture, its shorter side enlarged to FINE pixels."""
    return _zoomed(source.any(), FINE / source.side) > INK


def _piece(source: Source, least: int, most: int) -> Picture:
    """Draw a square piece of a figure, of `least` to `most` 28ths of a side, that is not empty."""
    figure = cropped(source.any())
    size = round(int(source.rng.integers(least, most)) * source.side / 28)
    size = max(2, min(size, *figure.shape))
    for _ in range(20):
        row, column = (int(source.rng.integers(0, max(1, n - size + 1))) for n in figure.shape)
        piece = figure[row : row + size, column : column + size]
        if piece.max() > figure.max() / 2:
            break
    return piece


def _spun(piece: Picture, source: Source) -> Picture:
    """Rotate a piece by a random angle."""
    rotated: Picture = ndimage.rotate(piece, source.rng.uniform(0, 360), order=1)
    return rotated


def _lay(sheet: Picture, piece: Picture, rng: np.random.Generator) -> None:
    """Lay a piece, cropped to fit, at a random place of a sheet."""
    piece = piece[: sheet.shape[0], : sheet.shape[1]]
    rows, columns = (
        int(rng.integers(0, whole - size + 1))
        for whole, size in zip(sheet.shape, piece.shape, strict=True)
    )
    spot = sheet[rows : rows + piece.shape[0], columns : columns + piece.shape[1]]
    np.maximum(spot, piece, out=spot)
