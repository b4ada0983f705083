"""What the sections on Table 2's networks share."""

from collections.abc import Sequence

from hpoe.evaluation.fits import averaged
from hpoe.paper.results import AVERAGED, SeedResults
from hpoe.params import Params

AVERAGE = averaged(AVERAGED)


def percentages(
    seeds: Sequence[SeedResults], name: str, net: str = "logistic_regression", part: str = "test"
) -> list[float]:
    """A network's errors in per cent, a seed each."""
    return [100 * each.errors[name][net][f"{part}_error_rate"] for each in seeds]


def units(params: Params, name: str) -> int:
    """Hidden units a layer."""
    return params.networks[name].units[0]


def label(name: str) -> str:
    """What a network is called in tables."""
    return "averaged" if name == AVERAGE else f"`{name}`"
