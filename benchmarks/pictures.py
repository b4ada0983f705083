"""Pictures of what the benchmarks find, in the style of the others."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from benchmarks.contenders import HPOE, PEERS
from hpoe.figures import BLUE, GREY, ORANGE, WIDTH, number, plain_figure, styled


@styled
def training(rates: Mapping[int, Mapping[str, float]], floors: Mapping[int, float]) -> Figure:
    """How fast each library trains: a panel a number of hidden units, a bar a library.

    Args:
        rates: by hidden units and library, images a second.
        floors: by hidden units, images a second of the matrix products alone.
    """
    times = {
        units: found[HPOE] / max(found[name] for name in PEERS) for units, found in rates.items()
    }
    finding = ", ".join(
        f"{number(ratio, '.1f')} times at {units} hidden units" for units, ratio in times.items()
    )
    figure = plain_figure(
        (WIDTH, 2.8),
        f"Images a second, hpoe over the fastest peer: {finding}",
        "Over ten digits, on all cores; orange: the matrix products by themselves",
    )
    panels = figure.subplots(1, len(rates), squeeze=False)[0]
    for axes, (units, found) in zip(panels, rates.items(), strict=True):
        names = sorted(found, key=lambda name: found[name])
        values = [found[name] / 1000 for name in names]
        colours = [BLUE if name == HPOE else GREY for name in names]
        axes.bar_label(axes.barh(names, values, color=colours), fmt="{:,.0f}", padding=3)
        axes.axvline(floors[units] / 1000, color=ORANGE)
        axes.set(xlabel="Thousand images a second", title=f"784 x {units}")
        axes.set_xlim(0, 1.15 * max(*values, floors[units] / 1000))
    return figure
