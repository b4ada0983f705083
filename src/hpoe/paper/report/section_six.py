"""Section 6: what the paper tried and found worse."""

from collections.abc import Mapping
from typing import Any

from hpoe.paper.report.claims import Claim, Verdict, gain_claim, way_claim
from hpoe.paper.report.text import table

NAMES = {"mnist": "MNIST", "usps": "USPS"}
BEST, MUCH = 1.7, 2
"""The paper's best error in per cent, and how many times as great is "much greater"."""
MODELS = {
    "separate": "a model a digit, one layer, goodness",
    "shared_layer1": "one model for all digits, activities of layer 1",
    "shared_layer2": "the same, layer 2",
    "shared_layer3": "the same, layer 3",
    "joint": "one model of pixels and labels",
}


def claims(others: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """A shared model on USPS, and a joint one on MNIST, err more."""
    found = []
    if "shared_model_usps" in others:
        rates = others["shared_model_usps"]
        more = 100 * (_per_cent(rates["shared_layer1"]) / _per_cent(rates["separate"]) - 1)
        what = ("USPS: one model for all digits errs more than separate ones by", "6", "per cent")
        found.append(gain_claim(what, 100, [more]))
    for name in NAMES:
        if f"shared_model_{name}" in others:
            first, *_, last = others[f"shared_model_{name}"]["class_specificity"]
            what = (
                f"{NAMES[name]}: the class explains more of a unit's variance in layer 3 than in "
                "layer 1, by",
                "6",
                "fraction",
            )
            found.append(way_claim(what, [last - first]))
    if "joint_model_mnist" in others:
        error = _per_cent(others["joint_model_mnist"])
        verdict: Verdict = "reproduced" if error > MUCH * BEST else "not reproduced"
        what = ("MNIST: test error of a joint model, much greater than", "6", "per cent")
        found.append(Claim(*what, BEST, error, error, error, 1, verdict))
    return found


def section(others: Mapping[str, Mapping[str, Any]]) -> str:
    """Errors of all models on both data sets, and how class-specific units become."""
    data_sets = [name for name in NAMES if f"shared_model_{name}" in others]
    if not data_sets:
        return "## One model for all digits (section 6)\n\nNot run yet: `make paper`.\n"
    rows = [
        [text, *(f"{_per_cent(_rates(others, name, model)):.2f}" for name in data_sets)]
        for model, text in MODELS.items()
    ]
    specific = [
        [f"layer {layer}"]
        + [f"{others[f'shared_model_{d}']['class_specificity'][layer - 1]:.2f}" for d in data_sets]
        for layer in (1, 2, 3)
    ]
    heads = [NAMES[name] for name in data_sets]
    missing = (
        "" if "usps" in data_sets else "USPS was not to be had: HPOE_USPS_DIR names a folder.\n"
    )
    return f"""## One model for all digits (section 6)

Test errors in per cent. One density model for all digits, whose hidden activities feed a logistic
net, and one of pixels and ten label units, classified by clamping each label in turn, beside
separate models; recipes in [paper/params.yaml](../paper/params.yaml). Of USPS's training images the
first three quarters of each digit are unsupervised, the rest supervised.

{table(["model", *heads], rows, numbers=range(1, 1 + len(heads)))}
{missing}
The paper remarks that units of higher layers become moderately class-specific. The share of the
variance of a unit's activity that the class explains, on validation images, averaged over units:

{table(["shared model", *heads], specific, numbers=range(1, 1 + len(heads)))}
"""


def _rates(
    others: Mapping[str, Mapping[str, Any]], data_set: str, model: str
) -> Mapping[str, float]:
    found: Mapping[str, float] = (
        others[f"joint_model_{data_set}"]
        if model == "joint"
        else others[f"shared_model_{data_set}"][model]
    )
    return found


def _per_cent(rates: Mapping[str, float]) -> float:
    return 100 * rates["test_error_rate"]
