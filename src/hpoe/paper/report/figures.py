"""Pictures of the replication's report that the paper does not have, in the style of the others."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from hpoe.evaluation.drawing import BLUE, GREY, ORANGE, WIDTH, number, plain_figure, styled

Interval = tuple[float, float, float]
"""An error rate and the ends of its 95 % interval, fractions."""


@styled
def errors_by_seed(errors: Mapping[str, Sequence[Interval]], paper: Mapping[str, float]) -> Figure:
    """How far apart networks of other seeds are, beside how far apart chance would put them.

    Args:
        errors: test errors by network, a seed each.
        paper: the paper's test error by network (fraction).
    """
    widest = max(max(each)[0] - min(each)[0] for each in errors.values())
    figure = plain_figure(
        (WIDTH, 3.6),
        f"Another seed moves the test error by at most {number(100 * widest, '.2f')} points",
        "Dots: a seed each, with its 95 % interval; orange bars: the paper",
    )
    axes = figure.subplots()
    for place, (network, each) in enumerate(errors.items()):
        for at, (rate, low, high) in enumerate(each):
            x = place + (at - (len(each) - 1) / 2) * 0.15
            axes.plot([x, x], [100 * low, 100 * high], color=GREY, linewidth=0.8)
            axes.plot(x, 100 * rate, "o", color=BLUE, markersize=4)
        if network in paper:
            level = 100 * paper[network]
            axes.plot([place - 0.35, place + 0.35], [level, level], color=ORANGE, linewidth=1.4)
    axes.set_xticks(range(len(errors)), list(errors))
    axes.set(ylabel="Test error (%)", ylim=(0, None))
    return figure


@styled
def ladder(steps: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Errors from one network to the best system, a line a step.

    Args:
        steps: by step, error rates of `validation` and `test` images, a seed each (fractions).
    """
    names = list(steps)
    first, best = (
        [sum(steps[name][part]) / len(steps[name][part]) for part in ("test", "validation")]
        for name in (names[0], min(steps, key=lambda name: sum(steps[name]["validation"])))
    )
    figure = plain_figure(
        (WIDTH, 0.9 + 0.3 * len(steps)),
        f"From {number(100 * first[0], '.2f')} to {number(100 * best[0], '.2f')} % test error "
        "by density models and a linear classifier",
        "Means of the seeds, lines: their range; each row chosen on validation images alone",
    )
    axes = figure.subplots()
    for part, colour, shift, mark in (("validation", GREY, -0.12, "s"), ("test", BLUE, 0.12, "o")):
        for place, name in enumerate(names):
            rates = [100 * rate for rate in steps[name][part]]
            axes.plot([min(rates), max(rates)], [place + shift] * 2, color=colour, linewidth=1)
            axes.plot(
                sum(rates) / len(rates),
                place + shift,
                mark,
                color=colour,
                markersize=4,
                label=part if place == 0 else None,
            )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("Error (%)")
    axes.legend(loc="lower right")
    return figure


@styled
def errors_by_images(errors: Mapping[int, Mapping[str, float]]) -> Figure:
    """Errors by the number of unsupervised images of a digit.

    Args:
        errors: validation_error_rate and test_error_rate (fractions) by number of images.
    """
    fewest, most = min(errors), max(errors)
    figure = plain_figure(
        (WIDTH * 0.66, 3.6),
        f"{fewest:,} images a digit: {number(100 * errors[fewest]['test_error_rate'], '.1f')} %; "
        f"{most:,}: {number(100 * errors[most]['test_error_rate'], '.1f')} % test error",
        "Default network, one seed, as many updates of the weights for every size",
    )
    axes = figure.subplots()
    for part, colour, mark in (("validation", GREY, "s--"), ("test", BLUE, "o-")):
        rates = [100 * each[f"{part}_error_rate"] for each in errors.values()]
        axes.plot(list(errors), rates, mark, color=colour, markersize=4, label=part)
    axes.set(xscale="log", xlabel="Unsupervised images a digit", ylabel="Error (%)")
    axes.set(xticks=list(errors), xticklabels=[f"{images:,}" for images in errors], ylim=(0, None))
    axes.minorticks_off()
    axes.legend()
    return figure
