"""The report on the replication: every claim of the paper beside what was measured, as Markdown.

Errors are in per cent here, as in the paper; everywhere else they are fractions.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from hpoe.files import replacing, write_bytes
from hpoe.paper.report import (
    best,
    calibration,
    section_six,
    shifts,
    sizes,
    table_one,
    table_two,
    training,
)
from hpoe.paper.report.claims import CLOSE, Claim, claims_table
from hpoe.paper.report.networks import AVERAGE, label, percentages
from hpoe.paper.report.text import spread_of
from hpoe.paper.results import NETWORKS, RESULTS, Results, SeedResults
from hpoe.params import Params

FIGURES_TITLE = """## Figures

Of the first seed. Figures 1 and 4 to 6 are of the largest network, or of all.
"""
FIGURES = {
    "figure1": "Figure 1: the alternating Gibbs chain",
    "figure2": "Figure 2: a hundred 2s",
    "figure3": "Figure 3: receptive fields of the models of the 3s",
    "figure4": "Figure 4: mean goodness of every digit under every model",
    "figure5": "Figure 5: 7s and 9s as either's model reconstructs them",
    "figure6": "Figure 6: 7s and 9s by their goodness under either's model",
    "misclassified": "Figure 7: the test images that the averaged networks misclassify",
}


def write_report(results: Results, params: Params, root: Path) -> None:
    """Write docs/replication.md and docs/replication/claims.csv."""
    found = claims(results, params)
    with replacing(root / RESULTS / "claims.csv") as path:
        pd.DataFrame([asdict(each) for each in found]).to_csv(path, index=False)
    _draw(results, root / RESULTS / "figures")
    write_bytes(root / "docs" / "replication.md", markdown(results, params, found).encode())


def claims(results: Results, params: Params) -> list[Claim]:
    """Every numbered claim that the results can answer."""
    return [
        *table_two.claims(results.seeds, params),
        *table_one.claims(results.others),
        *training.claims(results.seeds, results.classes),
        *section_six.claims(results.others),
        *shifts.claims(results.seeds),
    ]


def markdown(results: Results, params: Params, found: Sequence[Claim]) -> str:
    """The report."""
    seeds = ", ".join(str(each.seed) for each in results.seeds)
    count = f"{len(results.seeds)} seeds" if len(results.seeds) > 1 else "one seed"
    ours = spread_of(percentages(results.seeds, NETWORKS[-1]))
    figures = [f"![{text}](replication/figures/{name}.png)" for name, text in FIGURES.items()]
    sections = [
        table_two.section(results.seeds, params),
        table_one.section(results.others, ours),
        training.section(results.seeds, results.classes, params),
        shifts.section(results.seeds, results.pairs),
        best.section(results.ladders),
        section_six.section(results.others),
        sizes.section(results.sizes),
        calibration.section(results.classes),
        FIGURES_TITLE,
        *(f"{figure}\n" for figure in figures),
    ]
    return f"""# Replication

What Mayraz and Hinton (2002) report, beside what this code gives: {count} ({seeds}),
the paper's own recipes (`h25` to `h500` in [params.yaml](../params.yaml)), the official 10,000 test
images, which decide nothing. `make paper` runs everything and writes this page; every number of it
is computed from the files in [replication](replication). Means of the seeds, in brackets the range.

## Claims

{claims_table(found)}

An error is reproduced if the seeds' mean is within {CLOSE} points of the paper's figure, a gain or
a difference if their mean is at least half of the paper's, or above zero with every seed where the
paper has no figure; much greater is twice as great. The same table:
[claims.csv](replication/claims.csv).

""" + "\n".join(section for section in sections if section)


def _draw(results: Results, folder: Path) -> None:
    """Draw the figures that are made of the results of several experiments."""
    from hpoe.evaluation.drawing import save
    from hpoe.paper.report import figures as report_figures

    errors = {
        label(name).strip("`"): [_interval(each, name) for each in results.seeds]
        for name in (*NETWORKS, AVERAGE)
    }
    paper = {name: error / 100 for name, error in table_two.PAPER.items()}
    save(report_figures.errors_by_seed(errors, paper), folder / "seeds.png")
    if results.ladders:
        save(report_figures.ladder(best.steps(results.ladders)), folder / "ladder.png")
    if results.sizes:
        save(report_figures.errors_by_images(results.sizes), folder / "sizes.png")


def _interval(seed: SeedResults, name: str) -> tuple[float, float, float]:
    rates = seed.errors[name]["logistic_regression"]
    return rates["test_error_rate"], rates["test_error_rate_low"], rates["test_error_rate_high"]
