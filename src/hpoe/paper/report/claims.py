"""The paper's numbered claims, each compared with what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpoe.paper.baselines import BASELINES
from hpoe.paper.report.measurements import (
    AVERAGE,
    PAPER,
    PAPER_HOURS,
    PARAMETERS,
    hours,
    parameters,
    percentages,
    shift_percentages,
    unchanged,
)
from hpoe.paper.results import DIGESTS, NETWORKS, SECONDS, Kept, Results
from hpoe.params import Params

CLOSE = 0.3
"""Points by which the seeds' mean may differ from the paper's figure."""
MUCH = 2
"""How many times as great is "much greater"."""
DATA_SETS = {"mnist": "MNIST", "usps": "USPS"}
Values = Sequence[float] | NDArray[np.float64]
Verdict = Literal["reproduced", "better than the paper", "not reproduced"]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what was measured over seeds."""

    claim: str
    section: str
    unit: str
    paper: float | None
    """None where the paper gives a direction and no figure."""
    ours_mean: float
    ours_min: float
    ours_max: float
    seeds: int
    verdict: Verdict


def claims(results: Results, params: Params) -> list[Claim]:
    """Compare every claim that the results can answer."""
    return [
        *_table_two(results.seeds, params),
        *_table_one(results.others),
        *_training(results),
        *_section_six(results.others),
        _shifts(results.seeds),
    ]


def _table_two(seeds: Sequence[Kept], params: Params) -> list[Claim]:
    largest = NETWORKS[-1]
    errors = {name: percentages(seeds, name) for name in (*NETWORKS, AVERAGE)}
    averaging = errors[largest] - errors[AVERAGE]
    gain = percentages(seeds, largest, "one_layer") - errors[largest]
    count = parameters(params.networks[largest].recipe, pixels=28 * 28, n_classes=10)
    same = count == PARAMETERS
    units = {name: params.networks[name].units[0] for name in NETWORKS}
    text = "Averaged scores of all networks of 100 units or more: error lower by"
    return [
        *(
            _error(f"Table 2: test error, {n} hidden units per layer", PAPER[name], errors[name])
            for name, n in units.items()
        ),
        _claim(text, "5", "points", 0.1, averaging),
        _claim("Three layers instead of one, 500 units: error lower by", "5", "points", None, gain),
        _claim("Parameters of the RBMs of 500 units", "5", "parameters", PARAMETERS, [count], same),
    ]


def _table_one(others: Mapping[str, Any]) -> list[Claim]:
    """Errors of the methods trained on the official training images, as the paper's are."""
    return [
        _error(
            f"Table 1: {baseline.title}",
            baseline.published,
            [100 * others[f"baseline_{method}"]["standard"]["test_error_rate"]],
        )
        for method, baseline in BASELINES.items()
        if f"baseline_{method}" in others
    ]


def _training(results: Results) -> list[Claim]:
    """Hours of training, and what an additional class leaves unchanged."""
    found = []
    timed = [each for each in results.seeds if SECONDS in each.files]
    if timed:
        taken = hours(timed, NETWORKS[-1])
        verdict: Verdict = "better than the paper" if max(taken) < PAPER_HOURS else "not reproduced"
        claim = "Training 500 units for 500 epochs takes less than"
        found.append(_claim(claim, "5", "core hours", PAPER_HOURS, taken, verdict))
    if len(results.classes) > 1:
        few, many = (each for _, each in sorted(results.classes.items()))
        same, before = unchanged(few, many), len(few[DIGESTS])
        claim = "Class added: RBMs of the other classes whose files stay the same"
        found.append(_claim(claim, "1", "files", before, [same], same == before))
    return found


def _section_six(others: Mapping[str, Any]) -> list[Claim]:
    """One model for all digits errs more on USPS, a joint model on MNIST."""
    found = []
    if usps := others.get("shared_model_usps"):
        ratio = usps["shared_layer1"]["test_error_rate"] / usps["separate"]["test_error_rate"]
        claim = "USPS: one model for all digits makes more errors than separate models, by"
        found.append(_claim(claim, "6", "per cent", 100, [100 * (ratio - 1)]))
    for name, title in DATA_SETS.items():
        if f"shared_model_{name}" in others:
            first, *_, last = others[f"shared_model_{name}"]["class_specificity"]
            claim = "the class explains more of a unit's variance in layer 3 than in layer 1, by"
            found.append(_claim(f"{title}: {claim}", "6", "fraction", None, [last - first]))
    if "joint_model_mnist" in others:
        error, best = 100 * others["joint_model_mnist"]["test_error_rate"], min(PAPER.values())
        claim = "MNIST: test error of a joint model, much greater than"
        found.append(_claim(claim, "6", "per cent", best, [error], error > MUCH * best))
    return found


def _shifts(seeds: Sequence[Kept]) -> Claim:
    """Errors on 7s against 9s: the one figure that section 7 gives."""
    given = shift_percentages(seeds, NETWORKS[-1], "as_given", pair=True)
    maximum = shift_percentages(seeds, NETWORKS[-1], "maximum", pair=True)
    claim = "Maximum over shifts, 7s against 9s, 500 units: fewer test errors"
    return _claim(claim, "7", "per cent", 30, 100 * (1 - maximum / given))


def _error(claim: str, paper: float, values: Values) -> Claim:
    """Judge an error: reproduced if the mean is close to the paper's figure."""
    mean = float(np.mean(values))
    verdict: Verdict = "reproduced"
    if abs(mean - paper) > CLOSE:
        verdict = "better than the paper" if mean < paper else "not reproduced"
    return _claim(claim, "5", "per cent", paper, values, verdict)


def _claim(
    claim: str,
    section: str,
    unit: str,
    paper: float | None,
    values: Values,
    verdict: Verdict | bool | None = None,
) -> Claim:
    """Judge values, by default as a gain: by half of the paper's figure, or by their sign."""
    mean, least, most = float(np.mean(values)), float(min(values)), float(max(values))
    if verdict is None:
        verdict = least > 0 if paper is None else mean >= paper / 2
    if isinstance(verdict, bool):
        verdict = "reproduced" if verdict else "not reproduced"
    return Claim(claim, section, unit, paper, mean, least, most, len(values), verdict)
