"""Figures of an evaluation: functions from arrays and tables to a matplotlib Figure.

Shapes: D classes, K images or hidden units. Inputs are not modified.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hpoe.evaluation.drawing import (
    BLUE,
    GAP,
    GREY,
    LEAST_WIDTH,
    ORANGE,
    PALE,
    WIDTH,
    around_canvas,
    image_groups,
    number,
    percent,
    plain_figure,
    shortened,
    styled,
    tiled,
)
from hpoe.labels import in_order

MOST_IMAGES = 600
"""Misclassified images that are drawn, at most."""
MOST_ROWS = 25
"""Classes up to which receptive fields and numbers of confusions are drawn."""
MOST_NAMES = 100
"""Names of classes beside a confusion matrix, at most; of more, every second, third and so on."""
MOST_INCHES = 24.0

_WHITE_TO_BROWN = LinearSegmentedColormap.from_list(
    "white to brown", ["#FFFFFF", "#F6C46B", "#C4570A", "#5C1F00"], bad="#F0F0F0"
)


@styled
def receptive_fields(fields: Mapping[str, NDArray[np.float32]], network: str) -> Figure:
    """Draw weights of layer 1: one row per class, one square per hidden unit (figure 3).

    One grey scale, symmetric about zero, holds for the whole figure. It ends at the 99.8th
    percentile of the absolute weights: up to the extreme one, nearly all would be the same grey.

    Args:
        fields: by class, the weights of K of its hidden units, float32 [K, rows, columns], in nats
            per unit of intensity.
        network: its name.
    """
    shown = dict(islice(fields.items(), MOST_ROWS))
    weights = np.stack(list(shown.values()))
    _, n_units, rows, _ = weights.shape
    limit = float(np.quantile(np.abs(weights), 0.998))
    extreme = float(weights.flat[np.abs(weights).argmax()])
    figure, axes = around_canvas(
        tiled(weights, blank=np.nan)[:-GAP, :-GAP],
        f"What {network} learned: strokes that switch a unit on (white) or off (black)",
        f"Layer-1 weights of {n_units} hidden units of the models of {len(shown)} classes; "
        f"the extreme weight is {number(extreme, '+.2f')}",
        footer=0.62,
        names=[*map(shortened, shown)],
    )
    axes.images[0].set(cmap="gray", clim=(-limit, limit))
    ticks = np.arange(len(shown)) * (rows + GAP) + rows / 2
    axes.set_yticks(ticks, [shortened(label) for label in shown])
    axes.set_ylabel("Class")

    scale = axes.inset_axes((0.35, -0.035, 0.3, 0.015))
    bar = figure.colorbar(axes.images[0], cax=scale, orientation="horizontal")
    ends = f"≤ {number(-limit, '+.2f')}", f"≥ {number(limit, '+.2f')}"
    bar.set_ticks([-limit, 0, limit], labels=[ends[0], "0", ends[1]])
    scale.tick_params(length=0)
    scale.set_xlabel("Weight (nats per unit of intensity)")
    return figure


@styled
def learning_curves(curves: pd.DataFrame, network: str) -> Figure:
    """Draw the training of a network's RBMs: one column per layer, one thin line per class.

    Goodness lacks the normalising constant, so that its level means nothing. The gap between
    training and held-out images does: it grows as a model overfits.

    Args:
        curves: one row per layer, label and epoch (1 is the first): reconstruction_error (squared
            error per image), goodness_train, goodness_heldout (nats) and mean_hidden_activity.
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
        "thin lines: one per class, thick line: their mean",
    )
    panels = figure.subplots(4, len(layers), sharex=True, sharey="row", squeeze=False)
    for layer, column in zip(layers, panels.T, strict=True):
        _draw_layer(column, curves[curves["layer"] == layer])
        column[0].set_title(f"Layer {layer}")
    panels[0, 0].set_ylabel("Reconstruction error\n(squared, per image)")
    panels[1, 0].set_ylabel("Goodness\n(nats)")
    panels[2, 0].set_ylabel("Goodness, training\nminus held-out (nats)")
    panels[3, 0].set_ylabel("Mean hidden activity\n(probability)")
    panels[1, 0].legend()
    figure.align_ylabels()
    return figure


@styled
def misclassified(
    images: NDArray[np.uint8], labels: NDArray[Any], predictions: NDArray[Any], n_images: int
) -> Figure:
    """Draw misclassified test images in the row of their predicted class (figure 7).

    Of more than MOST_IMAGES every second is drawn, or every third, and so on.

    Args:
        images: the misclassified ones, uint8 [K, rows, columns], 255 = full ink.
        labels: their true labels [K].
        predictions: their predicted labels [K].
        n_images: number of images that were classified.
    """
    every = max(1, -(-len(images) // MOST_IMAGES))
    groups = []
    for label in in_order(set(predictions)):
        members = np.flatnonzero(predictions == label)
        members = members[np.argsort(labels[members], kind="stable")]
        groups.append((f"{shortened(label)}  ({len(members)})", members[::every]))
    figure, axes = image_groups(
        images,
        [shortened(label) for label in labels],
        groups,
        f"The {len(images)} misclassified test images of {n_images:,} "
        f"({percent(len(images) / n_images)})",
        "One row per predicted class, with its number of errors; below each image its true class"
        + (f"; one of {every} is shown" if every > 1 else ""),
    )
    axes.set_ylabel("Predicted class")
    return figure


@styled
def changed_predictions(
    images: NDArray[np.uint8], labels: NDArray[Any], before: NDArray[Any], after: NDArray[Any]
) -> Figure:
    """Draw the test images whose prediction a change corrected, and those that it spoilt.

    Args:
        images: of the test set, uint8 [K, rows, columns], 255 = full ink.
        labels: their true labels [K].
        before: their predicted labels before the change [K].
        after: their predicted labels after the change [K].
    """
    corrected = np.flatnonzero((before != labels) & (after == labels))
    spoilt = np.flatnonzero((before == labels) & (after != labels))
    groups = [("corrected", corrected), ("spoilt", spoilt)]
    figure, _ = image_groups(
        images,
        [f"{shortened(a)} → {shortened(b)}" for a, b in zip(before, after, strict=True)],
        [(name, members) for name, members in groups if len(members)],
        f"Shifts correct {len(corrected)} test images and spoil {len(spoilt)}",
        "Below each image its predicted class before and after",
    )
    return figure


@styled
def confusion(matrix: NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Draw which classes are taken for which; right answers are pale so that errors show.

    Args:
        matrix: numbers of images, true class by predicted class, int64 [D, D]; 0 is left blank.
        labels: the classes' labels in the matrix's order [D].
    """
    right = np.eye(len(labels), dtype=bool)
    errors = np.ma.array(matrix, mask=right)
    wrong, images, most = int(errors.sum()), int(matrix.sum()), int(errors.max())
    true, predicted = divmod(int(errors.argmax()), len(labels))
    names = [shortened(label) for label in labels]
    side = min(MOST_INCHES, max(6.3, 0.3 * len(labels) + 2))
    figure = plain_figure(
        (side + 0.3, side),
        f"{wrong:,} of {images:,} images are taken for another class ({percent(wrong / images)})",
        f"Most often {names[true]} is taken for {names[predicted]}: {most:,} times"
        if wrong
        else "",
    )
    axes, at = figure.subplots(), np.arange(len(labels))
    cells = axes.pcolormesh(at, at, errors, cmap=_WHITE_TO_BROWN, edgecolors=PALE)
    cells.set_clim(0, max(1, most))
    if len(labels) <= MOST_ROWS:
        _write_counts(axes, matrix, most)
    every = -(-len(labels) // MOST_NAMES)
    axes.set_xticks(at[::every], names[::every], rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(at[::every], names[::every])
    axes.set(xlabel="Predicted class (cells: images)", ylabel="True class", aspect="equal")
    axes.invert_yaxis()
    missed = 100 * errors.sum(axis=1) / np.maximum(1, matrix.sum(axis=1))
    shares = axes.secondary_yaxis("right")
    shares.set_yticks(at[::every], [f"{share:.1f}" for share in missed[::every]])
    shares.set_ylabel("Share of the true class's images misclassified (%)")
    for each in (axes, shares):
        each.tick_params(length=0)
        each.spines[:].set_visible(False)
    return figure


@styled
def shift_temperatures(
    table: pd.DataFrame, as_given: tuple[float, float], maximum: tuple[float, float], chosen: float
) -> Figure:
    """Draw error rates by the temperature of the soft choice among shifted images (section 7).

    Args:
        table: one row per temperature (nats): validation_error_rate, test_error_rate (fractions).
        as_given: validation and test error rates of the images as they are (fractions).
        maximum: the same for the best of the five versions, the paper's choice (T -> 0).
        chosen: the temperature chosen on validation, one of the table's.
    """
    table = table.sort_values("temperature")
    ringed = table[table["temperature"] == chosen]
    figure = plain_figure(
        (WIDTH, 3.8),
        f"A soft choice among shifts takes the test error from {percent(as_given[1])} "
        f"to {percent(ringed['test_error_rate'].item())}",
        f"Ringed: T = {chosen:g} nats, chosen on validation images alone",
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
    """Draw how often the classifier is right by how sure it is (a reliability diagram).

    Args:
        table: one row per bin of probability: low, high, images, confidence, accuracy,
            accuracy_low and accuracy_high (fractions).
        error: the expected calibration error (fraction).
    """
    confidence, accuracy = (
        float(np.average(table[name], weights=table["images"]))
        for name in ("confidence", "accuracy")
    )
    figure = plain_figure(
        (LEAST_WIDTH, 4.6),
        f"Mean confidence {percent(confidence)}, accuracy {percent(accuracy)} on the test images",
        f"Expected calibration error {percent(error)}; bars: 95 % intervals; dashed: calibrated",
    )
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.8)
    ends = table[["accuracy_low", "accuracy_high"]].sub(table["accuracy"], axis=0).abs().T
    upper.errorbar(
        table["confidence"], table["accuracy"], ends, fmt="o", color=BLUE, markersize=4, lw=0.8
    )
    upper.set(ylabel="Accuracy (fraction)", xlim=(0, 1), ylim=(0, 1.02))
    widths = table["high"] - table["low"]
    lower.bar(table["low"], table["images"], widths, align="edge", color=PALE, edgecolor=GREY)
    lower.set(yscale="log", ylabel="Images", xlabel="Highest probability")
    lower.yaxis.set_major_formatter("{x:,.0f}")
    return figure


def _write_counts(axes: Axes, matrix: NDArray[np.int64], most: int) -> None:
    """Write the numbers of a confusion matrix into its cells."""
    for (row, column), count in np.ndenumerate(matrix):
        colour = GREY if row == column else "white" if count > 0.55 * most else "black"
        text = f"{count:,}" if count else ""
        axes.text(column, row, text, ha="center", va="center", color=colour)


def _draw_layer(column: NDArray[Any], curves: pd.DataFrame) -> None:
    """Draw the four panels of one layer, from top to bottom."""
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
    """Draw one thin line per class, and their mean as a thick one with the legend's label."""
    for _, of_class in curves.groupby("label"):
        axes.plot(of_class["epoch"], of_class[quantity], dash, color=colour, lw=0.6, alpha=0.45)
    mean = curves.groupby("epoch")[quantity].mean()
    axes.plot(mean.index, mean, dash, color=colour, lw=2, label=label)
