"""The report on the replication: a Markdown page, a table of claims, and three figures.

Errors are in per cent here, as in the paper; everywhere else they are fractions.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from hpoe.files import write_bytes, write_table
from hpoe.paper import results as kept
from hpoe.paper.baselines import BASELINES
from hpoe.paper.report import measurements
from hpoe.paper.report.claims import CLOSE, DATA_SETS, Claim, claims
from hpoe.paper.results import NETWORKS, RESULTS, SECONDS, Results
from hpoe.params import Params


def write_report(results: Results, params: Params, root: Path) -> None:
    """Write docs/replication.md, docs/replication/claims.csv and the figures drawn from results."""
    found = claims(results, params)
    write_table(root / RESULTS / "claims.csv", pd.DataFrame(found))
    _draw(results, root / RESULTS / "figures")
    write_bytes(root / "docs" / "replication.md", markdown(results, params, found).encode())


def markdown(results: Results, params: Params, found: Sequence[Claim]) -> str:
    """Fill in the page's template."""
    templates = Environment(
        loader=PackageLoader("hpoe.paper.report", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown from our own numbers, no HTML
    )
    recipe = params.networks[NETWORKS[-1]].recipe
    templates.filters |= {
        "spread": measurements.spread,
        "label": measurements.label,
        "short": "{:g}".format,
        "chosen_network": measurements.chosen_network,
        "processor": lambda each: each[SECONDS]["processor"],
    }
    return templates.get_template("replication.md.j2").render(
        vars(kept)
        | vars(measurements)
        | vars(results)
        | {
            "claims": found,
            "CLOSE": CLOSE,
            "recipes": params.networks,
            "counted": measurements.parameters(recipe, pixels=28 * 28, n_classes=10),
            "between": 10 * sum(recipe.units[:-1]),
            "timed": [each for each in results.seeds if SECONDS in each.files],
            "baselines": [
                (baseline, results.others[f"baseline_{method}"])
                for method, baseline in BASELINES.items()
                if f"baseline_{method}" in results.others
            ],
            "data_sets": {
                name: title
                for name, title in DATA_SETS.items()
                if f"shared_model_{name}" in results.others
            },
        }
    )


def _draw(results: Results, folder: Path) -> None:
    """Draw the figures that combine several experiments."""
    from hpoe.evaluation.drawing import save
    from hpoe.paper.report import figures

    save(figures.errors_by_seed(results.seeds), folder / "seeds.png")
    if results.ladders:
        save(figures.ablation(results.ladders), folder / "ladder.png")
    if results.sizes:
        save(figures.errors_by_images(results.sizes), folder / "sizes.png")
