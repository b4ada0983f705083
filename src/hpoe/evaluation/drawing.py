"""Shared parts of all figures: style, header, grids of images, and saving.

Figures are built without pyplot: they need no display and leave no state behind. The bold title
states the finding, computed from the data; the grey line below it says how to read the figure.
Whatever colour distinguishes is also distinguished by lightness, line style or a label, so that
figures work in grey.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

from hpoe.files import replacing

DPI = 200
WIDTH = 9.0
"""Inches. A figure made of images may be narrower: their pixels are whole numbers of dots wide."""
LEAST_WIDTH = 6.6
MOST_LETTERS = 11
"""Letters of a class's label, at most."""
GAP = 2
"""Pixels between images."""
_HEADER, _LEFT, _RIGHT, _LETTER = 0.64, 0.7, 0.1, 0.066  # inches
_IMAGES_PER_LINE = 20, 25  # at least, at most
_LETTERS_PER_LINE = 110  # of captions

BLUE, ORANGE, GREY, PALE = "#0B5394", "#E08A00", "#6B6B6B", "#DDDDDD"
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 8,
    "axes.titlesize": "medium",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
}
styled = style.context(["default", _STYLE])  # in force while a figure is built and while saved


@styled
def save(figure: Figure, path: Path) -> None:
    """Write a PNG atomically; equal figures give equal bytes.

    Raises:
        StorageError: the disk is full, or the file cannot be written.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def plain_figure(inches: tuple[float, float], finding: str, reading: str) -> Figure:
    """Make a figure, width by height, with its two header lines; panels are laid out below them."""
    width, height = inches
    figure = Figure(figsize=inches, dpi=DPI)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - _HEADER / height))
    left, top = 0.1 / width, 1 - 0.1 / height
    figure.suptitle(finding, x=left, y=top, ha="left", va="top").set_in_layout(False)
    figure.text(left, top - 0.25 / height, reading, va="top", color=GREY).set_in_layout(False)
    return figure


def around_canvas(
    canvas: NDArray[Any], finding: str, reading: str, footer: float = 0, names: Sequence[str] = ()
) -> tuple[Figure, Axes]:
    """Make a figure around a canvas of images [rows, columns], `footer` inches below it.

    At its left is room for the names of its lines.

    A pixel is a whole number of dots, so that none is blurred or wider than its neighbours.
    """
    rows, columns = canvas.shape[:2]
    left = max(_LEFT, 0.3 + _LETTER * max(map(len, names), default=0))
    zoom = max(1, int((WIDTH - left - _RIGHT) * DPI) // columns)
    height, width = rows * zoom / DPI, columns * zoom / DPI
    across, down = max(LEAST_WIDTH, left + width + _RIGHT), _HEADER + height + footer
    figure = plain_figure((across, down), finding, reading)
    figure.set_layout_engine("none")  # automatic layout would rescale the canvas
    axes = figure.add_axes((left / across, footer / down, width / across, height / down))
    axes.imshow(canvas, aspect="auto", interpolation="nearest", extent=(0, columns, rows, 0))
    axes.set_yticks([])
    without_frame(axes)
    return figure, axes


def tiled(images: NDArray[Any], blank: float = 0, gap: int = GAP) -> NDArray[Any]:
    """Tile images [lines, K, rows, columns, ...], with a gap below and to the right of each."""
    margins = ((0, 0), (0, 0), (0, gap), (0, gap), *((0, 0) for _ in images.shape[4:]))
    padded = np.pad(images, margins, constant_values=blank).swapaxes(1, 2)
    lines, rows, count, columns = padded.shape[:4]
    return padded.reshape(lines * rows, count * columns, *images.shape[4:])


def image_groups(
    images: NDArray[np.uint8],
    captions: Sequence[str],
    groups: Sequence[tuple[str, NDArray[np.int64]]],
    finding: str,
    reading: str,
) -> tuple[Figure, Axes]:
    """Draw groups of images below one another, in as many lines as each needs.

    Args:
        images: uint8 [K, rows, columns], 255 = full ink.
        captions: the K captions below the images.
        groups: the name beside a group's first line, and the indices of its images, in order.
        finding: the title.
        reading: the line below it.
    """
    rows, columns = images.shape[1:]
    pitch, step = round(1.5 * rows), columns + 3  # of lines, with room for captions; of columns
    across = int(
        np.clip(max((len(members) for _, members in groups), default=0), *_IMAGES_PER_LINE)
    )
    most = _LETTERS_PER_LINE // max(map(len, captions), default=1)
    if most < across:  # long captions: fewer images, further apart
        step, across = max(step, step * _IMAGES_PER_LINE[0] // most), most
    lines = [-(-len(members) // across) for _, members in groups]
    starts = [sum(lines[:at]) * pitch for at in range(len(lines))]
    canvas = np.zeros((max(3, sum(lines)) * pitch, across * step), np.uint8)
    places = []
    for start, (_, members) in zip(starts, groups, strict=True):
        for at, member in enumerate(members):
            top, left = start + at // across * pitch, at % across * step + (step - columns) // 2
            canvas[top : top + rows, left : left + columns] = images[member]
            places.append((left + columns / 2, top + rows, captions[member]))
    names = [name for name, _ in groups]
    figure, axes = around_canvas(canvas, finding, reading, names=names)
    axes.images[0].set(cmap="gray_r", clim=(0, 255))
    for x, y, caption in places:
        axes.text(x, y, caption, ha="center", va="top", size=6.5)
    for start in starts[1:]:
        axes.axhline(start - rows / 12, color=PALE, linewidth=0.6)
    axes.set_yticks([start + rows / 2 for start in starts], names)
    return figure, axes


def without_frame(axes: Axes) -> None:
    """Remove the frame and the x ticks."""
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def shortened(label: str) -> str:
    """Prepare a class's label for a figure: short, of letters that the font has, not as formula."""
    text = label if len(label) <= MOST_LETTERS else label[: MOST_LETTERS - 1] + "…"
    font = get_font(findfont("DejaVu Sans"))
    shown = (letter if font.get_char_index(ord(letter)) else "\N{WHITE SQUARE}" for letter in text)
    return "".join(shown).replace("$", r"\$")


def percent(fraction: float) -> str:
    """Format a fraction as a percentage."""
    return f"{100 * fraction:.2f} %"


def number(value: float, form: str) -> str:
    """Format a number with a real minus sign."""
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")
