"""The paper's numbered claims, each beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hpoe.paper.report.text import spread, table

CLOSE = 0.3
"""Points by which a mean of the seeds may differ from the paper's figure."""
Verdict = Literal["reproduced", "better than the paper", "not reproduced"]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper beside what was measured over seeds."""

    claim: str
    section: str
    unit: str
    paper: float | None
    """None where the paper says which way, and no figure."""
    ours_mean: float
    ours_min: float
    ours_max: float
    seeds: int
    verdict: Verdict


def error_claim(claim: str, section: str, paper: float, values: Sequence[float]) -> Claim:
    """A claim on an error, in per cent: reproduced if the mean is close to the paper's."""
    mean = float(np.mean(values))
    verdict: Verdict = "reproduced"
    if abs(mean - paper) > CLOSE:
        verdict = "better than the paper" if mean < paper else "not reproduced"
    numbers = (paper, mean, min(values), max(values))
    return Claim(claim, section, "per cent", *numbers, len(values), verdict)


def gain_claim(what: tuple[str, str, str], paper: float, values: Sequence[float]) -> Claim:
    """A claim (with its section and unit) that something makes fewer errors."""
    mean = float(np.mean(values))
    verdict: Verdict = "reproduced" if mean >= paper / 2 else "not reproduced"
    return Claim(*what, paper, mean, min(values), max(values), len(values), verdict)


def way_claim(what: tuple[str, str, str], values: Sequence[float]) -> Claim:
    """A claim (with its section and unit) that something is more than nothing, with every seed."""
    verdict: Verdict = "reproduced" if min(values) > 0 else "not reproduced"
    return Claim(
        *what, None, float(np.mean(values)), min(values), max(values), len(values), verdict
    )


def claims_table(found: Sequence[Claim]) -> str:
    """All claims, a row each."""
    rows = [
        [
            each.claim,
            each.section,
            "" if each.paper is None else f"{each.paper:,.7g}",
            spread(each.ours_mean, each.ours_min, each.ours_max),
            each.unit,
            each.verdict,
        ]
        for each in found
    ]
    return table(["claim", "section", "paper", "ours", "unit", "verdict"], rows, numbers=(2, 3))
