"""Figures of the report without a counterpart in the paper."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from hpoe.evaluation.drawing import BLUE, GREY, ORANGE, WIDTH, number, plain_figure, styled
from hpoe.paper.report.measurements import (
    AVERAGE,
    PAPER,
    label,
    percentages,
    variant_percentages,
    variants_by_seed,
)
from hpoe.paper.results import NETWORKS, Kept

PARTS = (("validation", GREY, "s"), ("test", BLUE, "o"))


@styled
def errors_by_seed(seeds: Sequence[Kept]) -> Figure:
    """Test errors of every network, one dot per seed with its 95 % interval."""
    errors = {
        name: [
            percentages(seeds, name, rate=f"test_error_rate{end}") for end in ("", "_low", "_high")
        ]
        for name in (*NETWORKS, AVERAGE)
    }
    widest = max(np.ptp(rates) for rates, _, _ in errors.values())
    figure = plain_figure(
        (WIDTH, 3.6),
        f"Another seed moves the test error by at most {number(widest, '.2f')} points",
        "One dot per seed with its 95 % interval; orange bars: the paper",
    )
    axes = figure.subplots()
    for place, (name, (rates, low, high)) in enumerate(errors.items()):
        x = place + (np.arange(len(seeds)) - (len(seeds) - 1) / 2) * 0.15
        axes.vlines(x, low, high, color=GREY, linewidth=0.8)
        axes.plot(x, rates, "o", color=BLUE, markersize=4)
        if name in PAPER:
            axes.hlines(PAPER[name], place - 0.35, place + 0.35, color=ORANGE, linewidth=1.4)
    axes.set_xticks(range(len(errors)), [label(name).strip("`") for name in errors])
    axes.set(ylabel="Test error (%)", ylim=(0, None))
    return figure


@styled
def ablation(ladders: Sequence[Kept]) -> Figure:
    """Errors of every variant from one network to the best system: means and ranges over seeds."""
    variants = variants_by_seed(ladders)
    errors = {
        part: np.array([variant_percentages(of, part) for of in variants]) for part, *_ in PARTS
    }
    means = {part: found.mean(axis=1) for part, found in errors.items()}
    best = means["test"][means["validation"].argmin()]
    figure = plain_figure(
        (WIDTH, 0.9 + 0.3 * len(variants)),
        f"From {number(means['test'][0], '.2f')} to {number(best, '.2f')} % test error "
        "by density models and a linear classifier",
        "Means over the seeds, lines: their range; every choice is made on validation images",
    )
    axes = figure.subplots()
    for (part, colour, mark), shift in zip(PARTS, (-0.12, 0.12), strict=True):
        places = np.arange(len(variants)) + shift
        axes.hlines(
            places, errors[part].min(axis=1), errors[part].max(axis=1), color=colour, linewidth=1
        )
        axes.plot(means[part], places, mark, color=colour, markersize=4, label=part)
    axes.set_yticks(range(len(variants)), [of[0]["step"] for of in variants])
    axes.invert_yaxis()
    axes.set_xlabel("Error (%)")
    axes.legend(loc="lower right")
    return figure


@styled
def errors_by_images(errors: Mapping[int, Mapping[str, float]]) -> Figure:
    """Errors by the number of unsupervised images per digit.

    Args:
        errors: validation_error_rate and test_error_rate (fractions) by number of images.
    """
    fewest, most = min(errors), max(errors)
    figure = plain_figure(
        (WIDTH * 0.66, 3.6),
        f"{fewest:,} images per digit: {number(100 * errors[fewest]['test_error_rate'], '.1f')} %; "
        f"{most:,}: {number(100 * errors[most]['test_error_rate'], '.1f')} % test error",
        "Default network, one seed, equally many weight updates for every size",
    )
    axes = figure.subplots()
    for (part, colour, mark), line in zip(PARTS, ("--", "-"), strict=True):
        rates = [100 * each[f"{part}_error_rate"] for each in errors.values()]
        axes.plot(list(errors), rates, mark + line, color=colour, markersize=4, label=part)
    axes.set(xscale="log", xlabel="Unsupervised images per digit", ylabel="Error (%)")
    axes.set(xticks=list(errors), xticklabels=[f"{images:,}" for images in errors], ylim=(0, None))
    axes.minorticks_off()
    axes.legend()
    return figure
