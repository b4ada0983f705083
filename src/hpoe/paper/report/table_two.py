"""Table 2, averages and the count of parameters (sections 4 and 5)."""

from collections.abc import Sequence

from hpoe.paper.report.claims import Claim, Verdict, error_claim, gain_claim, way_claim
from hpoe.paper.report.networks import AVERAGE, label, percentages, units
from hpoe.paper.report.text import mcnemar, spread_of, table
from hpoe.paper.results import AVERAGED, NETWORKS, SeedResults
from hpoe.params import Network, Params

PAPER = {"h25": 3.8, "h100": 2.3, "h200": 2.2, "h400": 2.0, "h500": 1.7}
"""Test errors in per cent, as commonly quoted from the version of NIPS 2000."""
PARAMETERS = 8_942_840
"""Of the 30 RBMs of 500 units, as section 5 counts."""


def claims(seeds: Sequence[SeedResults], params: Params) -> list[Claim]:
    """Errors by size, the gain of averaging, and the number of parameters."""
    average, largest = (percentages(seeds, name) for name in (AVERAGE, NETWORKS[-1]))
    return [
        *(
            error_claim(
                f"Table 2: test error, {units(params, name)} hidden units a layer",
                "5",
                PAPER[name],
                percentages(seeds, name),
            )
            for name in NETWORKS
        ),
        gain_claim(
            ("Averaged scores of all networks of 100 units or more: lower by", "5", "points"),
            0.1,
            _less(largest, average),
        ),
        way_claim(
            ("Three layers in place of one, 500 units: lower by", "5", "points"),
            _less(percentages(seeds, NETWORKS[-1], "one_layer"), largest),
        ),
        _parameter_claim(params.networks[NETWORKS[-1]]),
    ]


def parameters(recipe: Network, pixels: int, n_classes: int) -> int:
    """Parameters of a network as the paper counts: the biases of units that two RBMs share, once.

    Weights of three layers, and a bias a pixel and a hidden unit, for every digit.
    """
    sizes = (pixels, *recipe.units)
    weights = sum(below * above for below, above in zip(sizes, recipe.units, strict=False))
    return n_classes * (weights + sum(sizes))


def _less(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """By how much errors fall, a seed each."""
    return [first - second for first, second in zip(before, after, strict=True)]


def section(seeds: Sequence[SeedResults], params: Params) -> str:
    """Table 2 and averages."""
    return f"""## Table 2

Test errors in per cent by hidden units a layer. The classifier is regularised logistic regression
on 30 scores; beside it stand the paper's own gradient ascent (eq. 9), and the first on the scores
of fewer layers. The paper's figures, and its epochs, are those of its NIPS 2000 version as commonly
quoted.

{_table(seeds, params)}

{_chosen(seeds)}

{_averages(seeds)}

{_pairs(seeds)}

![Error by size and seed](replication/figures/seeds.png)

{_parameters_text(params)}
"""


def _table(seeds: Sequence[SeedResults], params: Params) -> str:
    nets = ("logistic_regression", "gradient_ascent", "two_layers", "one_layer")
    rows = [
        [
            str(units(params, name)),
            str(params.networks[name].epochs),
            f"{PAPER[name]:.1f}",
            *(spread_of(percentages(seeds, name, net)) for net in nets),
            spread_of(percentages(seeds, name, part="validation")),
        ]
        for name in NETWORKS
    ]
    heads = ["units", "epochs", "paper", "ours", "eq. 9", "two layers", "one layer", "validation"]
    return table(heads, rows, numbers=range(8))


def _chosen(seeds: Sequence[SeedResults]) -> str:
    """Which size each seed's validation images choose, as the paper chooses."""
    sizes = []
    for each in seeds:
        rates = {
            name: each.errors[name]["logistic_regression"]["validation_error_rate"]
            for name in NETWORKS
        }
        sizes.append(min(rates, key=lambda name: rates[name]))
    chosen = ", ".join(f"`{name}`" for name in sizes)
    return f"The validation images choose, by seed: {chosen}."


def _averages(seeds: Sequence[SeedResults]) -> str:
    average = spread_of(percentages(seeds, AVERAGE))
    validation = spread_of(percentages(seeds, AVERAGE, part="validation"))
    best, largest = AVERAGE, NETWORKS[-1]
    p = max(mcnemar(each.predictions, largest, best) for each in seeds)
    return (
        f"The scores of corresponding layers of {', '.join(f'`{name}`' for name in AVERAGED)}, "
        f"averaged: {average} on test, {validation} on validation; `{largest}` alone "
        f"{spread_of(percentages(seeds, largest))} on test. The paper: a further 0.1 lower. "
        f"McNemar's p between the two, the largest of the seeds: {p:.2g}."
    )


def _pairs(seeds: Sequence[SeedResults]) -> str:
    """McNemar's test between any two of the classifiers."""
    names = (*NETWORKS, AVERAGE)
    rows = [
        [label(second)]
        + [
            f"{max(mcnemar(each.predictions, first, second) for each in seeds):.1g}"
            for first in names[:at]
        ]
        + [""] * (len(names) - 1 - at)
        for at, second in enumerate(names)
        if at
    ]
    heads = ["", *(label(name) for name in names[:-1])]
    return (
        "Whether two classifiers differ beyond chance: McNemar's exact p on the test images, the "
        f"largest of the seeds.\n\n{table(heads, rows, numbers=range(1, len(heads)))}"
    )


def _parameters_text(params: Params) -> str:
    recipe = params.networks[NETWORKS[-1]]
    counted = parameters(recipe, pixels=28 * 28, n_classes=10)
    own = counted + 10 * sum(recipe.units[:-1])
    return (
        f"The paper counts {PARAMETERS:,} parameters in 30 RBMs of 500 units, and 310 in the "
        f"logistic net. Here they are {counted:,} if biases that two RBMs share count once, "
        f"{own:,} with the visible biases that every RBM has of its own."
    )


def _parameter_claim(recipe: Network) -> Claim:
    """The count of section 5."""
    ours = parameters(recipe, pixels=28 * 28, n_classes=10)
    verdict: Verdict = "reproduced" if ours == PARAMETERS else "not reproduced"
    numbers = (PARAMETERS, ours, ours, ours)
    return Claim("Parameters of the RBMs of 500 units", "5", "parameters", *numbers, 1, verdict)
