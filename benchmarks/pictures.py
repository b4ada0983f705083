"""Figures of the benchmarks, in the style of the others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from benchmarks.contenders import HPOE, PEERS
from hpoe.evaluation.drawing import (
    BLUE,
    GREY,
    ORANGE,
    WIDTH,
    around_canvas,
    number,
    plain_figure,
    styled,
    tiled,
)


@styled
def training(rates: Mapping[int, Mapping[str, float]], floors: Mapping[int, float]) -> Figure:
    """How fast each library trains: one panel per number of hidden units, one bar per library.

    Args:
        rates: by hidden units and library, images per second.
        floors: by hidden units, images per second of the matrix products alone.
    """
    times = {
        units: found[HPOE] / max(found[name] for name in PEERS) for units, found in rates.items()
    }
    finding = ", ".join(
        f"{number(ratio, '.1f')} times (784 x {units} units)" for units, ratio in times.items()
    )
    figure = plain_figure(
        (WIDTH, 2.8),
        f"hpoe trains faster than the fastest peer: {finding}",
        "Ten digits on all cores, start included; orange: the matrix products alone",
    )
    panels = figure.subplots(1, len(rates), squeeze=False)[0]
    for axes, (units, found) in zip(panels, rates.items(), strict=True):
        names = sorted(found, key=lambda name: found[name])
        values = [found[name] / 1000 for name in names]
        colours = [BLUE if name == HPOE else GREY for name in names]
        axes.bar_label(axes.barh(names, values, color=colours), fmt="{:,.0f}", padding=3)
        axes.axvline(floors[units] / 1000, color=ORANGE)
        axes.set(xlabel="Thousand images per second", title=f"784 x {units}")
        axes.set_xlim(0, 1.15 * max(*values, floors[units] / 1000))
    return figure


STYLES = {
    ("hpoe", "as_given"): (BLUE, "o"),
    ("hpoe", "deskewed"): (ORANGE, "s"),
    ("scikit-learn", "as_given"): (GREY, "^"),
}


@styled
def errors(curves: pd.DataFrame) -> Figure:
    """Test error against seconds of training: one panel per choice, one line per method and images.

    Args:
        curves: one row per point: method, images, choice, seconds, test, epochs.
    """
    error, seconds = min(zip(curves["test"], curves["seconds"], strict=True))
    figure = plain_figure(
        (WIDTH, 3.4),
        f"{100 * error:.2f} % of test images wrong after {seconds:.0f} s of training",
        "Thirty RBMs, means over seeds; labels: epochs per layer",
    )
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"as_given": "images as given", "soft_shifts": "soft choice among shifts"}
    for axes, (choice, title) in zip(panels, titles.items(), strict=True):
        chosen = curves[curves["choice"] == choice]
        for (method, images), (colour, marker) in STYLES.items():
            line = chosen[(chosen["method"] == method) & (chosen["images"] == images)]
            if line.empty:
                continue
            times, errors = line["seconds"].tolist(), (100 * line["test"]).tolist()
            name = f"{method}, images {images.replace('_', ' ')}"
            axes.plot(times, errors, color=colour, marker=marker, label=name)
            for x, y, epochs in zip(times, errors, line["epochs"], strict=True):
                axes.annotate(str(epochs), (x, y), (4, 4), textcoords="offset points")
        axes.set(xscale="log", xlabel="Seconds of training, two cores", title=title)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6))
            axis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g} %")
        axes.legend()
    panels[0].set_ylabel("Test error")
    return figure


@styled
def preprocessed(pairs: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """Pictures as people send them, each beside the network's input: one row per kind.

    Args:
        pairs: by the kind's name, K pictures and their inputs, uint8 [K, 2, S, S, 3].
    """
    tiles, gap = np.stack(list(pairs.values())), 8
    side = tiles.shape[-2]
    canvas = tiled(tiles.reshape(len(pairs), -1, side, side, 3), blank=255, gap=gap)
    figure, axes = around_canvas(
        canvas[:-gap, :-gap],
        "Whatever digits are drawn on, the models see what MNIST could hold",
        "Left in each pair the picture that is sent, right what the models see, 28 × 28",
    )
    axes.set_yticks(np.arange(len(pairs)) * (side + gap) + side / 2, list(pairs))
    return figure


@styled
def preparations(
    rows: Mapping[str, Sequence[NDArray[np.uint8] | None]], cell: tuple[int, int]
) -> Figure:
    """Pictures above what each preparation makes of them: one row per preparation.

    Args:
        rows: by the row's name, tiles uint8 [*cell, 3]; None where a picture is refused.
        cell: rows and columns of a tile.
    """
    gap, blank = 8, np.full((*cell, 3), 255, np.uint8)
    tiles = [[blank if each is None else each for each in row] for row in rows.values()]
    canvas = tiled(np.array(tiles), blank=255, gap=gap)
    figure, axes = around_canvas(
        canvas[:-gap, :-gap],
        "ink cuts out and places strokes, fit keeps the whole picture",
        "Below each picture what a project of 28 × 28 makes of it; last three columns: 20 × 32",
    )
    heights, widths = (side + gap for side in cell)
    axes.set_yticks(np.arange(len(rows)) * heights + cell[0] / 2, list(rows))
    for at, row in enumerate(rows.values()):
        for place, each in enumerate(row):
            if each is None:
                middle = place * widths + cell[1] / 2, at * heights + cell[0] / 2
                axes.text(*middle, "refused", ha="center", va="center", color=GREY)
    return figure
