"""Every picture, as a function from arrays to a matplotlib Figure: nothing is read or shown here.

Figures are built without pyplot: they need no display and leave no state behind. The bold title is
the finding, computed from the data; the grey line below it says how to read the picture. What
colours tell apart, lightness, line style or a label tells apart too, so that grey loses nothing.

Shapes: D digits, K images or hidden units. Inputs are not modified.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hpoe.files import replacing

DPI = 200
WIDTH = 9.0
"""Inches. A picture made of images may be narrower: its pixels are whole numbers of dots wide."""

_HEADER, _LEFT, _RIGHT, _LEAST_WIDTH = 0.64, 0.7, 0.1, 6.6  # inches
_IMAGES_A_LINE = 20, 25  # at least, at most

BLUE, ORANGE, GREY, _PALE = "#0B5394", "#E08A00", "#6B6B6B", "#DDDDDD"
_WHITE_TO_BROWN = LinearSegmentedColormap.from_list(
    "white to brown", ["#FFFFFF", "#F6C46B", "#C4570A", "#5C1F00"], bad="#F0F0F0"
)
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
def receptive_fields(fields: Mapping[int, NDArray[np.float32]], network: str) -> Figure:
    """What hidden units of layer 1 look for: a row a digit, a square a unit (figure 3).

    The grey scale is one for the whole figure and symmetric about zero. It ends at the 99.8th
    percentile of the absolute weights: up to the extreme one, nearly all would be the same grey.

    Args:
        fields: of each digit the weights of K of its hidden units, float32 [K, rows, columns], in
            nats per unit of intensity.
        network: its name.
    """
    weights, gap = np.stack(list(fields.values())), 2
    digits, units, rows, columns = weights.shape
    limit = float(np.quantile(np.abs(weights), 0.998))
    extreme = float(weights.flat[np.abs(weights).argmax()])

    margins = ((0, 0), (0, 0), (0, gap), (0, gap))
    squares = np.pad(weights, margins, constant_values=np.nan).swapaxes(1, 2)
    canvas = squares.reshape(digits * (rows + gap), units * (columns + gap))[:-gap, :-gap]
    figure, axes = around_canvas(
        canvas,
        f"What {network} learned: strokes that switch a unit on (white) or off (black)",
        f"Layer-1 weights of {units} hidden units of each digit's model; "
        f"the extreme weight is {number(extreme, '+.2f')}",
        footer=0.62,
    )
    axes.images[0].set(cmap="gray", clim=(-limit, limit))
    axes.set_yticks(np.arange(digits) * (rows + gap) + rows / 2, [str(digit) for digit in fields])
    axes.set_ylabel("Digit")

    scale = axes.inset_axes((0.35, -0.035, 0.3, 0.015))
    bar = figure.colorbar(axes.images[0], cax=scale, orientation="horizontal")
    ends = f"≤ {number(-limit, '+.2f')}", f"≥ {number(limit, '+.2f')}"
    bar.set_ticks([-limit, 0, limit], labels=[ends[0], "0", ends[1]])
    scale.tick_params(length=0)
    scale.set_xlabel("Weight (nats per unit of intensity)")
    return figure


@styled
def learning_curves(curves: pd.DataFrame, network: str) -> Figure:
    """How a network's RBMs learned: a column of panels a layer, a thin line a digit.

    Goodness lacks the normalising constant, so that its level tells nothing; the gap between
    training and held-out images does: it grows as a model overfits.

    Args:
        curves: a row a layer, digit and epoch (1 is the first) with reconstruction_error (squared
            error an image), goodness_train, goodness_heldout (nats) and mean_hidden_activity.
        network: its name.
    """
    curves = curves.assign(gap=curves["goodness_train"] - curves["goodness_heldout"])
    curves = curves.sort_values("epoch")
    epochs, layers = curves["epoch"].max(), sorted(curves["layer"].unique())
    gaps = curves[curves["epoch"] == epochs].groupby("layer")["gap"].mean()
    figure = plain_figure(
        (WIDTH, 7.6),
        f"{network}: goodness is {', '.join(number(gap, '.1f') for gap in gaps)} nats higher "
        "on training than on held-out images",
        f"Layers {', '.join(map(str, layers))} after {epochs} epochs; "
        "thin lines: a digit each, thick: the mean of the digits",
    )
    panels = figure.subplots(4, len(layers), sharex=True, sharey="row", squeeze=False)
    for layer, column in zip(layers, panels.T, strict=True):
        _draw_layer(column, curves[curves["layer"] == layer])
        column[0].set_title(f"Layer {layer}")
    panels[0, 0].set_ylabel("Reconstruction error\n(squared, an image)")
    panels[1, 0].set_ylabel("Goodness\n(nats)")
    panels[2, 0].set_ylabel("Goodness, training\nless held-out (nats)")
    panels[3, 0].set_ylabel("Mean hidden activity\n(probability)")
    panels[1, 0].legend()
    figure.align_ylabels()
    return figure


@styled
def misclassified(
    images: NDArray[np.uint8], labels: NDArray[Any], predictions: NDArray[Any], of: int
) -> Figure:
    """Every misclassified test image in the row of its predicted digit (figure 7).

    A row takes as many lines as it needs; in it the true digits, below the images, are in order.

    Args:
        images: the misclassified ones, uint8 [K, rows, columns], 255 = full ink.
        labels: their true digits, integers [K].
        predictions: the digits they were taken for, integers [K].
        of: how many images were classified.
    """
    rows, columns = images.shape[1:]
    pitch, gap = round(1.5 * rows), 3  # of the lines, with room for the labels; of the columns
    order = np.lexsort((labels, predictions))
    digits, counts = np.unique(predictions, return_counts=True)
    across = int(np.clip(counts.max(initial=0), *_IMAGES_A_LINE))
    lines = -(-counts // across)
    starts = (np.cumsum(lines) - lines) * pitch
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    tops = np.repeat(starts, counts) + place // across * pitch
    lefts = place % across * (columns + gap)

    canvas = np.zeros((max(3, lines.sum()) * pitch, across * (columns + gap)), np.uint8)
    for image, top, left in zip(images[order], tops, lefts, strict=True):
        canvas[top : top + rows, left : left + columns] = image
    figure, axes = around_canvas(
        canvas,
        f"The {len(images)} misclassified test digits of {of:,} ({_percent(len(images) / of)})",
        "A row a predicted digit, with its number of errors; below each image its true digit",
    )
    axes.images[0].set(cmap="gray_r", clim=(0, 255))
    for label, top, left in zip(labels[order], tops, lefts, strict=True):
        axes.text(left + columns / 2, top + rows, str(label), ha="center", va="top", size=6.5)
    for start in starts[1:]:
        axes.axhline(start - rows / 12, color=_PALE, linewidth=0.6)
    axes.set_yticks(starts + rows / 2, [f"{d}  ({n})" for d, n in zip(digits, counts, strict=True)])
    axes.set_ylabel("Predicted digit")
    return figure


@styled
def mended_and_spoilt(
    images: NDArray[np.uint8], labels: NDArray[Any], before: NDArray[Any], after: NDArray[Any]
) -> Figure:
    """Test images whose prediction a change made right, and those that it made wrong.

    Args:
        images: of the test set, uint8 [K, rows, columns], 255 = full ink.
        labels: their true digits, integers [K].
        before: the digits they were taken for, integers [K].
        after: the digits they are taken for now, integers [K].
    """
    mended = np.flatnonzero((before != labels) & (after == labels))
    spoilt = np.flatnonzero((before == labels) & (after != labels))
    rows, columns = images.shape[1:]
    across, pitch, gap = _IMAGES_A_LINE[0], round(1.5 * rows), 3
    lines = [-(-len(part) // across) for part in (mended, spoilt)]
    canvas = np.zeros((max(1, sum(lines)) * pitch, across * (columns + gap)), np.uint8)
    places = [(at // across, at % across) for at in range(len(mended))]
    places += [(lines[0] + at // across, at % across) for at in range(len(spoilt))]
    shown = np.concatenate([mended, spoilt])
    for image, (line, place) in zip(images[shown], places, strict=True):
        top, left = line * pitch, place * (columns + gap)
        canvas[top : top + rows, left : left + columns] = image
    figure, axes = around_canvas(
        canvas,
        f"Shifts mend {len(mended)} test images and spoil {len(spoilt)}",
        "Below each image what it was taken for, and what it is taken for now",
    )
    axes.images[0].set(cmap="gray_r", clim=(0, 255))
    for at, (line, place) in zip(shown, places, strict=True):
        x, y = (place + 0.5) * (columns + gap) - gap / 2, line * pitch + rows
        axes.text(x, y, f"{before[at]} → {after[at]}", ha="center", va="top", size=6.5)
    named = [(0, "mended", lines[0]), (lines[0], "spoilt", lines[1])]
    axes.set_yticks(
        [start * pitch + rows / 2 for start, _, count in named if count],
        [name for _, name, count in named if count],
    )
    return figure


@styled
def confusion(matrix: NDArray[np.int64], digits: Sequence[int]) -> Figure:
    """Which digits are taken for which, the right answers pale so that errors show.

    Args:
        matrix: numbers of images, true digit by predicted digit, int64 [D, D]; 0 is left blank.
        digits: the digits in the matrix's order [D].
    """
    right = np.eye(len(digits), dtype=bool)
    errors = np.ma.array(matrix, mask=right)
    wrong, images, most = int(errors.sum()), int(matrix.sum()), int(errors.max())
    true, predicted = divmod(int(errors.argmax()), len(digits))
    names = [str(digit) for digit in digits]
    figure = plain_figure(
        (6.6, 6.3),
        f"{wrong:,} of {images:,} digits are taken for another ({_percent(wrong / images)})",
        f"Most often a {names[true]} is taken for a {names[predicted]}: {most:,} times"
        if wrong
        else "",
    )
    axes, at = figure.subplots(), np.arange(len(digits))
    cells = axes.pcolormesh(at, at, errors, cmap=_WHITE_TO_BROWN, edgecolors=_PALE)
    cells.set_clim(0, max(1, most))
    for (row, column), count in np.ndenumerate(matrix):
        colour = GREY if row == column else "white" if count > 0.55 * most else "black"
        text = f"{count:,}" if count else ""
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(at, names)
    axes.set_yticks(at, names)
    axes.set(xlabel="Predicted digit (cells: images)", ylabel="True digit", aspect="equal")
    axes.invert_yaxis()
    missed = 100 * errors.sum(axis=1) / np.maximum(1, matrix.sum(axis=1))
    shares = axes.secondary_yaxis("right")
    shares.set_yticks(at, [f"{share:.1f}" for share in missed])
    shares.set_ylabel("Share of the true digit's images misclassified (%)")
    for side in (axes, shares):
        side.tick_params(length=0)
        side.spines[:].set_visible(False)
    return figure


@styled
def preprocessed(pairs: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """Pictures as people send them, each beside what the models see of it: a row a kind.

    Args:
        pairs: by the kind's name K pictures and what is seen of them, uint8 [K, 2, S, S, 3].
    """
    tiles, gap = np.stack(list(pairs.values())), 8
    kinds, pictures, _, side = tiles.shape[:4]
    margins = ((0, 0), (0, 0), (0, 0), (0, gap), (0, gap), (0, 0))
    squares = np.pad(tiles, margins, constant_values=255).transpose(0, 3, 1, 2, 4, 5)
    pitch = side + gap
    canvas = squares.reshape(kinds * pitch, pictures * 2 * pitch, 3)[:-gap, :-gap]
    figure, axes = around_canvas(
        canvas,
        "Whatever digits are drawn on, the models see what MNIST could hold",
        "Left of each pair a picture as it is sent, right what the models see of it, 28 × 28",
    )
    axes.set_yticks(np.arange(kinds) * pitch + side / 2, list(pairs))
    return figure


@styled
def shift_temperatures(
    table: pd.DataFrame, as_given: tuple[float, float], maximum: tuple[float, float], chosen: float
) -> Figure:
    """Error rate by the temperature of the soft choice among shifted images (section 7).

    Args:
        table: a row a temperature (nats), with validation_error_rate and test_error_rate
            (fractions).
        as_given: validation and test error rates of the images as they are (fractions).
        maximum: the same for the best of the five versions, the paper's choice (T -> 0).
        chosen: the temperature chosen on validation, one of the table's.
    """
    table = table.sort_values("temperature")
    ringed = table[table["temperature"] == chosen]
    figure = plain_figure(
        (WIDTH, 3.8),
        f"A soft choice among shifts takes the test error from {_percent(as_given[1])} "
        f"to {_percent(ringed['test_error_rate'].item())}",
        f"Ringed: T = {chosen:g} nats, chosen on validation; the test images decide nothing",
    )
    panels = figure.subplots(1, 2, sharey=True)
    for axes, part, given, best in zip(
        panels, ("validation", "test"), as_given, maximum, strict=True
    ):
        x, y = "temperature", f"{part}_error_rate"
        axes.plot(table[x], 100 * table[y], "o-", color=BLUE, markersize=3)
        axes.plot(ringed[x], 100 * ringed[y], "o", color=ORANGE, mec="black", markersize=8)
        for name, level, dash in (
            ("no shifts", given, ":"),
            ("best of the five versions (T → 0)", best, "--"),
        ):
            label = f"{name}: {100 * level:.2f}"
            axes.axhline(100 * level, linestyle=dash, color=GREY, linewidth=1, label=label)
        axes.legend(loc="best")
        axes.set(xscale="log", xlabel="Temperature T (nats)", title=f"{part.capitalize()} images")
        axes.xaxis.set_major_formatter("{x:,g}")
    panels[0].set_ylabel("Error rate (%)")
    return figure


@styled
def calibration(table: pd.DataFrame, error: float) -> Figure:
    """How right the classifier is by how sure it is (a reliability diagram).

    Args:
        table: a row a bin of probability, with low, high, images, confidence, accuracy,
            accuracy_low and accuracy_high (fractions).
        error: the expected calibration error (fraction).
    """
    sure, right = (
        float((table[name] * table["images"]).sum() / table["images"].sum())
        for name in ("confidence", "accuracy")
    )
    finding = f"Sure to {_percent(sure)}, right in {_percent(right)} of the test images"
    reading = (
        f"Expected calibration error {_percent(error)}; bars: 95 % intervals; dashed: calibrated"
    )
    figure = plain_figure((_LEAST_WIDTH, 4.6), finding, reading)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.8)
    ends = table[["accuracy_low", "accuracy_high"]].sub(table["accuracy"], axis=0).abs().T
    upper.errorbar(
        table["confidence"], table["accuracy"], ends, fmt="o", color=BLUE, markersize=4, lw=0.8
    )
    upper.set(ylabel="Right (fraction)", xlim=(0, 1), ylim=(0, 1.02))
    widths = table["high"] - table["low"]
    lower.bar(table["low"], table["images"], widths, align="edge", color=_PALE, edgecolor=GREY)
    lower.set(yscale="log", ylabel="Images", xlabel="Highest probability")
    lower.yaxis.set_major_formatter("{x:,.0f}")
    return figure


@styled
def save(figure: Figure, path: Path) -> None:
    """Write a PNG at once or not at all; equal figures give equal bytes.

    Raises:
        StorageError: the disk is full, or the place cannot be written to.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def plain_figure(inches: tuple[float, float], finding: str, reading: str) -> Figure:
    """A figure, width by height, with its two lines of header; panels are laid out below them."""
    width, height = inches
    figure = Figure(figsize=inches, dpi=DPI)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - _HEADER / height))
    left, top = 0.1 / width, 1 - 0.1 / height
    figure.suptitle(finding, x=left, y=top, ha="left", va="top").set_in_layout(False)
    figure.text(left, top - 0.25 / height, reading, va="top", color=GREY).set_in_layout(False)
    return figure


def around_canvas(
    canvas: NDArray[Any], finding: str, reading: str, footer: float = 0
) -> tuple[Figure, Axes]:
    """A figure around a picture made of images [rows, columns], `footer` inches below it.

    A pixel is a whole number of dots, so that none is blurred or wider than its neighbours.
    """
    rows, columns = canvas.shape[:2]
    zoom = max(1, int((WIDTH - _LEFT - _RIGHT) * DPI) // columns)
    height, width = rows * zoom / DPI, columns * zoom / DPI
    across, down = max(_LEAST_WIDTH, _LEFT + width + _RIGHT), _HEADER + height + footer
    figure = plain_figure((across, down), finding, reading)
    figure.set_layout_engine("none")  # a picture of whole dots cannot be fitted to a layout
    axes = figure.add_axes((_LEFT / across, footer / down, width / across, height / down))
    axes.imshow(canvas, aspect="auto", interpolation="nearest", extent=(0, columns, rows, 0))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure, axes


def _draw_layer(column: NDArray[Any], curves: pd.DataFrame) -> None:
    """The four panels of one layer, from top to bottom."""
    error, goodness, gap, activity = column
    _draw_curves(error, curves, "reconstruction_error")
    _draw_curves(goodness, curves, "goodness_train", label="training images")
    _draw_curves(goodness, curves, "goodness_heldout", ORANGE, "--", "held-out images")
    _draw_curves(gap, curves, "gap")
    gap.axhline(0, color=GREY, linewidth=0.6, linestyle=":")
    _draw_curves(activity, curves, "mean_hidden_activity")
    activity.set_xlabel("Epoch")
    activity.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_curves(
    axes: Axes,
    curves: pd.DataFrame,
    quantity: str,
    colour: str = BLUE,
    dash: str = "-",
    label: str = "",
) -> None:
    """A thin line a digit, and their mean as a thick one, which the legend names by `label`."""
    for _, of_digit in curves.groupby("digit"):
        axes.plot(of_digit["epoch"], of_digit[quantity], dash, color=colour, lw=0.6, alpha=0.45)
    mean = curves.groupby("epoch")[quantity].mean()
    axes.plot(mean.index, mean, dash, color=colour, lw=2, label=label)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def number(value: float, form: str) -> str:
    """A number with a real minus sign."""
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")
