"""Table 1: other methods on the same test images."""

from collections.abc import Mapping
from typing import Any

from hpoe.paper.baselines import BASELINES
from hpoe.paper.report.claims import Claim, error_claim
from hpoe.paper.report.text import table

PREFIX = "baseline_"


def claims(others: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Every method's error, trained on the official training images as the paper's figures are."""
    return [
        error_claim(
            f"Table 1: {baseline.title}",
            "5",
            baseline.published,
            [100 * others[PREFIX + method]["standard"]["test_error_rate"]],
        )
        for method, baseline in BASELINES.items()
        if PREFIX + method in others
    ]


def section(others: Mapping[str, Mapping[str, Any]], ours: str) -> str:
    """Errors, times and sizes; `ours` is this method's error."""
    run = [method for method in BASELINES if PREFIX + method in others]
    rows = [_row(method, others[PREFIX + method]) for method in run]
    if not rows:
        return "## Table 1\n\nNot run yet: `make paper`.\n"
    heads = ["method", "paper", "ours, balanced", "ours, standard"]
    heads += ["seconds to train", "seconds to classify", "parameters"]
    return f"""## Table 1

Other methods, test errors in per cent: trained on the 54,000 balanced images that this method uses,
and on the 60,000 official training images; times and sizes are the latter's. Their free numbers
were chosen on this method's validation images ([lab notes](lab-notes.md)). This method, 500 units:
{ours}.

{table(heads, rows, numbers=range(1, 7))}

The paper warns that others had beaten the figure that it quotes for back-propagation (under 2 if
well tuned), and missed that for support vectors (about 1.4).
"""


def _row(method: str, figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    balanced, standard = figures["balanced"], figures["standard"]
    return [
        BASELINES[method].title,
        f"{BASELINES[method].published:g}",
        f"{100 * balanced['test_error_rate']:.2f}",
        f"{100 * standard['test_error_rate']:.2f}",
        f"{standard['train_seconds']:.0f}",
        f"{standard['test_seconds']:.1f}",
        f"{standard['parameters']:,.0f}",
    ]
