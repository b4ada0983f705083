"""The way to the best system: shears, warps, averages and deskewed networks (section 7)."""

from collections.abc import Sequence

from hpoe.paper.report.text import mcnemar, spread_of, table
from hpoe.paper.results import LadderResults


def section(ladders: Sequence[LadderResults]) -> str:
    """A row a step."""
    title = "## The best system, a step at a time (section 7's suggestions)"
    if not ladders:
        return f"{title}\n\nNot run yet: `make paper`.\n"
    first = ladders[0].rungs
    rows = [
        [
            str(first[name]["step"]),
            str(first[name]["networks"]),
            spread_of([100 * each.rungs[name]["validation_error_rate"] for each in ladders]),
            spread_of([100 * each.rungs[name]["test_error_rate"] for each in ladders]),
            ", ".join(f"{each.rungs[name]['chosen']:g}" for each in ladders),
            f"{max(mcnemar(each.predictions, 'as_given', name) for each in ladders):.1g}",
        ]
        for name in first
    ]
    best = [100 * each.rungs[each.chosen]["test_error_rate"] for each in ladders]
    steps = ", ".join(f"{each.rungs[each.chosen]['step']} ({each.seed})" for each in ladders)
    heads = ["step", "networks", "validation", "test", "chosen", "p"]
    return f"""{title}

Networks of the default recipe (500 units, 30 epochs); errors in per cent, seeds {_seeds(ladders)}.
Each row is a system: what the models are asked about, and how many networks' scores are averaged.
Chosen on validation: the temperature of the soft choice, or the width in pixels of the prior on
warps. p: McNemar's exact test against the first row, the largest of the seeds. Nothing is fitted
but density models and a linear classifier.

{table(heads, rows, numbers=range(1, 6))}

![Errors by step](replication/figures/ladder.png)

Validation chooses, by seed: {steps}. Their test errors: {spread_of(best)} per cent.
"""


def steps(ladders: Sequence[LadderResults]) -> dict[str, dict[str, list[float]]]:
    """Validation and test error rates by step, a seed each: what the figure draws."""
    return {
        rung["step"]: {
            part: [each.rungs[name][f"{part}_error_rate"] for each in ladders]
            for part in ("validation", "test")
        }
        for name, rung in ladders[0].rungs.items()
    }


def _seeds(ladders: Sequence[LadderResults]) -> str:
    return ", ".join(str(each.seed) for each in ladders)
