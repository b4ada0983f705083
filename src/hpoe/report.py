"""The report on the replication: every claim of the paper beside what was measured, as Markdown.

Errors are in per cent here, as in the paper; everywhere else they are fractions.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from hpoe.files import replacing, write_bytes
from hpoe.nets import averaged
from hpoe.params import Params, Recipe
from hpoe.replication import AVERAGED, NETWORKS, RESULTS, Results

TABLE_2 = {"h25": 3.8, "h100": 2.3, "h200": 2.2, "h400": 2.0, "h500": 1.7}
"""Test errors in per cent, as commonly quoted from the version of NIPS 2000."""
PARAMETERS = 8_942_840
"""Of the 30 RBMs of 500 units, as section 5 counts."""
AVERAGE = averaged(AVERAGED)
CLOSE = 0.3
"""Points by which a mean of the seeds may differ from the paper's figure."""
CHOICES = {"as_given": "", "maximum": "_maximum", "soft": "_soft"}
"""Of a version of the image: the metrics' names, and the endings of the predictions' columns."""
Verdict = Literal["reproduced", "better than the paper", "not reproduced"]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper beside what was measured over seeds."""

    claim: str
    section: str
    unit: str
    paper: float
    ours_mean: float
    ours_min: float
    ours_max: float
    seeds: int
    verdict: Verdict


def write_report(results: Sequence[Results], params: Params, root: Path) -> None:
    """Write docs/replication.md and docs/replication/claims.csv."""
    found = claims(results, params)
    with replacing(root / RESULTS / "claims.csv") as path:
        pd.DataFrame([asdict(each) for each in found]).to_csv(path, index=False)
    write_bytes(root / "docs" / "replication.md", markdown(results, params, found).encode())


def claims(results: Sequence[Results], params: Params) -> list[Claim]:
    """Every numbered claim that the results can answer."""
    average, largest = (_percentages(results, name) for name in (AVERAGE, NETWORKS[-1]))
    pairs = [each.shifts[NETWORKS[-1]]["seven_or_nine"] for each in results]
    return [
        *(
            _error_claim(
                f"Table 2: test error, {_units(params, name)} hidden units a layer",
                TABLE_2[name],
                _percentages(results, name),
            )
            for name in NETWORKS
        ),
        _gain_claim(
            ("Averaged scores of all networks of 100 units or more: lower by", "5", "points"),
            0.1,
            [alone - both for alone, both in zip(largest, average, strict=True)],
        ),
        _gain_claim(
            ("Maximum over shifts, 7s against 9s, 500 units: fewer test errors", "7", "per cent"),
            30,
            [100 * (1 - _ratio(pair["maximum"], pair["as_given"])) for pair in pairs],
        ),
        _parameter_claim(params.networks[NETWORKS[-1]]),
    ]


def parameters(recipe: Recipe, pixels: int, digits: int) -> int:
    """Parameters of a network as the paper counts: the biases of units that two RBMs share, once.

    Weights of three layers, and a bias a pixel and a hidden unit, for every digit.
    """
    sizes = (pixels, *recipe.units)
    weights = sum(below * above for below, above in zip(sizes, recipe.units, strict=False))
    return digits * (weights + sum(sizes))


def mcnemar(predictions: pd.DataFrame, before: str, after: str) -> float:
    """McNemar's exact test, two-sided, of two columns of predictions on the test images: p."""
    test = predictions[predictions["set"] == "test"]
    wrong_before, wrong_after = (test[column] != test["label"] for column in (before, after))
    mended = int((wrong_before & ~wrong_after).sum())
    spoilt = int((wrong_after & ~wrong_before).sum())
    return float(binomtest(mended, mended + spoilt).pvalue) if mended + spoilt else 1.0


def markdown(results: Sequence[Results], params: Params, found: Sequence[Claim]) -> str:
    """The report."""
    seeds = ", ".join(str(each.seed) for each in results)
    count = f"{len(results)} seeds" if len(results) > 1 else "one seed"
    return f"""# Replication

What Mayraz and Hinton (2002) report, beside what this code gives: {count} ({seeds}),
the paper's own recipes (`h25` to `h500` in [params.yaml](../params.yaml)), the official 10,000 test
images, which decide nothing. `make paper` runs everything and writes this page; every number of it
is computed from the files in [replication](replication). Means of the seeds, in brackets the range.

The paper's figures of Table 2, and its epochs, are those of its NIPS 2000 version as commonly
quoted.

## Claims

{_claims_table(found)}

An error is reproduced if the seeds' mean is within {CLOSE} points of the paper's figure, a gain if
their mean is at least half of the paper's. The same table: [claims.csv](replication/claims.csv).

## Table 2

Test errors in per cent by hidden units a layer. The classifier is regularised logistic regression
on 30 scores; beside it stand the paper's own gradient ascent (eq. 9), and the first on the scores
of fewer layers.

{_table_2(results, params)}

{_chosen(results)}

## Averages

{_averages(results)}

## Shifts (section 7)

Test errors in per cent when each of the 30 models takes the best of five versions of an image (as
given, and moved by a pixel in four directions: the paper's maximum), or all of them softly, at a
temperature chosen on validation. p: McNemar's exact test between as given and soft, the largest of
the seeds.

{_shifts(results)}

![Error by temperature](replication/figures/shift_normalization.png)

Which versions of a test image the models of its own digit like best, and those of other digits, in
per cent of all choices of the averaged networks:

{_choices(results)}

![Images mended and spoilt](replication/figures/shift_mended.png)

7s against 9s alone, the paper's own experiment ({_pair_images(results)} test images), for every
network; the paper reports 30 per cent fewer errors.

{_seven_or_nine(results)}

## Parameters (section 5)

{_parameters_text(params)}

## Figures

Of the first seed. Figures 1 and 4 to 6 are of the largest network, or of all.

{_figures()}

## Not replicated yet

Table 1's other methods, section 6 (one model for all digits, and a joint model of pixels and
labels), and what section 7 only suggests.
"""


def _claims_table(found: Sequence[Claim]) -> str:
    rows = [
        [
            each.claim,
            each.section,
            f"{each.paper:,.7g}",
            _spread(each.ours_mean, each.ours_min, each.ours_max),
            each.unit,
            each.verdict,
        ]
        for each in found
    ]
    return _table(["claim", "section", "paper", "ours", "unit", "verdict"], rows, numbers=(2, 3))


def _table_2(results: Sequence[Results], params: Params) -> str:
    nets = ("logistic_regression", "gradient_ascent", "two_layers", "one_layer")
    rows = [
        [
            str(_units(params, name)),
            str(params.networks[name].epochs),
            f"{TABLE_2[name]:.1f}",
            *(_range(_percentages(results, name, net)) for net in nets),
            _range(_percentages(results, name, part="validation")),
        ]
        for name in NETWORKS
    ]
    heads = ["units", "epochs", "paper", "ours", "eq. 9", "two layers", "one layer", "validation"]
    return _table(heads, rows, numbers=range(8))


def _chosen(results: Sequence[Results]) -> str:
    """Which size each seed's validation images choose, as the paper chooses."""
    sizes = []
    for each in results:
        rates = {
            name: each.errors[name]["logistic_regression"]["validation_error_rate"]
            for name in NETWORKS
        }
        sizes.append(min(rates, key=lambda name: rates[name]))
    chosen = ", ".join(f"`{name}`" for name in sizes)
    return f"The validation images choose, by seed: {chosen}."


def _averages(results: Sequence[Results]) -> str:
    average = _range(_percentages(results, AVERAGE))
    validation = _range(_percentages(results, AVERAGE, part="validation"))
    best, largest = AVERAGE, NETWORKS[-1]
    p = max(mcnemar(each.predictions, largest, best) for each in results)
    return (
        f"The scores of corresponding layers of {', '.join(f'`{name}`' for name in AVERAGED)}, "
        f"averaged: {average} on test, {validation} on validation; `{largest}` alone "
        f"{_range(_percentages(results, largest))} on test. The paper: a further 0.1 lower. "
        f"McNemar's p between the two, the largest of the seeds: {p:.2g}."
    )


def _shifts(results: Sequence[Results]) -> str:
    rows = []
    for name in (*NETWORKS, AVERAGE):
        rates = [_shift_percentages(results, name, choice) for choice in CHOICES]
        temperatures = sorted(each.shifts[name]["soft"]["temperature"] for each in results)
        p = max(mcnemar(each.predictions, name, f"{name}_soft") for each in results)
        shown = ", ".join(f"{t:g}" for t in temperatures)
        rows.append([_label(name), *map(_range, rates), shown, f"{p:.1g}"])
    heads = ["network", "as given", "maximum", "soft", "temperatures", "p"]
    return _table(heads, rows, numbers=range(1, 6))


def _choices(results: Sequence[Results]) -> str:
    names = {
        (0, 0): "as given",
        (-1, 0): "up",
        (1, 0): "down",
        (0, -1): "to the left",
        (0, 1): "to the right",
    }
    rows = [[name] for name in names.values()]
    for models in ("own_models", "other_models"):
        tables = [
            each.choices.set_index(["rows_down", "columns_right"])[models] for each in results
        ]
        for row, shift in zip(rows, names, strict=True):
            row.append(_range([100 * table.to_dict()[shift] for table in tables]))
    return _table(["version", "own digit", "other digits"], rows, numbers=(1, 2))


def _seven_or_nine(results: Sequence[Results]) -> str:
    rows = []
    for name in (*NETWORKS, AVERAGE):
        pairs = [each.shifts[name]["seven_or_nine"] for each in results]
        rates = [[100 * pair[choice]["test_error_rate"] for pair in pairs] for choice in CHOICES]
        rows.append([_label(name), *map(_range, rates)])
    return _table(["network", "as given", "maximum", "soft"], rows, numbers=range(1, 4))


def _pair_images(results: Sequence[Results]) -> str:
    predictions = results[0].predictions
    test = predictions[predictions["set"] == "test"]
    return f"{int(test['label'].isin((7, 9)).sum()):,}"


def _parameters_text(params: Params) -> str:
    recipe = params.networks[NETWORKS[-1]]
    counted = parameters(recipe, pixels=28 * 28, digits=10)
    own = counted + 10 * sum(recipe.units[:-1])
    return (
        f"The paper counts {PARAMETERS:,} parameters in 30 RBMs of 500 units, and 310 in the "
        f"logistic net. Here they are {counted:,} if biases that two RBMs share count once, "
        f"{own:,} with the visible biases that every RBM has of its own."
    )


def _figures() -> str:
    captions = {
        "figure1": "Figure 1: the alternating Gibbs chain",
        "figure2": "Figure 2: a hundred 2s",
        "figure3": "Figure 3: receptive fields of the models of the 3s",
        "figure4": "Figure 4: mean goodness of every digit under every model",
        "figure5": "Figure 5: 7s and 9s as either's model reconstructs them",
        "figure6": "Figure 6: 7s and 9s by their goodness under either's model",
        "misclassified": "Figure 7: the test images that the averaged networks misclassify",
    }
    return "\n\n".join(
        f"![{caption}](replication/figures/{name}.png)" for name, caption in captions.items()
    )


def _error_claim(claim: str, paper: float, values: Sequence[float]) -> Claim:
    """A claim of section 5 on an error."""
    mean = float(np.mean(values))
    verdict: Verdict = "reproduced"
    if abs(mean - paper) > CLOSE:
        verdict = "better than the paper" if mean < paper else "not reproduced"
    numbers = (paper, mean, min(values), max(values))
    return Claim(claim, "5", "per cent", *numbers, len(values), verdict)


def _gain_claim(what: tuple[str, str, str], paper: float, values: Sequence[float]) -> Claim:
    """A claim (with its section and unit) that something makes fewer errors."""
    mean = float(np.mean(values))
    verdict: Verdict = "reproduced" if mean >= paper / 2 else "not reproduced"
    return Claim(*what, paper, mean, min(values), max(values), len(values), verdict)


def _parameter_claim(recipe: Recipe) -> Claim:
    """The count of section 5."""
    ours = parameters(recipe, pixels=28 * 28, digits=10)
    verdict: Verdict = "reproduced" if ours == PARAMETERS else "not reproduced"
    numbers = (PARAMETERS, ours, ours, ours)
    return Claim("Parameters of the RBMs of 500 units", "5", "parameters", *numbers, 1, verdict)


def _percentages(
    results: Sequence[Results], name: str, net: str = "logistic_regression", part: str = "test"
) -> list[float]:
    return [100 * each.errors[name][net][f"{part}_error_rate"] for each in results]


def _shift_percentages(results: Sequence[Results], name: str, choice: str) -> list[float]:
    return [100 * each.shifts[name][choice]["test_error_rate"] for each in results]


def _ratio(after: dict[str, float], before: dict[str, float]) -> float:
    return after["test_error_rate"] / before["test_error_rate"]


def _units(params: Params, name: str) -> int:
    return params.networks[name].units[0]


def _label(name: str) -> str:
    return "averaged" if name == AVERAGE else f"`{name}`"


def _range(values: Sequence[float]) -> str:
    """Mean and range of errors in per cent."""
    return _spread(float(np.mean(values)), min(values), max(values))


def _spread(mean: float, least: float, most: float) -> str:
    """A mean, and the range in brackets if there is one."""
    if least == most:
        return f"{mean:.2f}" if mean < 1000 else f"{mean:,.0f}"
    return f"{mean:.2f} ({least:.2f} to {most:.2f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    rule = ["---:" if at in numbers else "---" for at in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *rows))
