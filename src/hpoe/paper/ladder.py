"""The ablation that leads to the best system: variants of it, compared on validation images.

Shapes: S versions of an image (as given, the paper's four shifts, then shears), N images, M models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hpoe.evaluation.measures import IMAGE_COLUMNS
from hpoe.evaluation.refitting import RefitResult, Scores, best, refit_each, soft_choices
from hpoe.method.warping import penalties
from hpoe.params import Classifier
from hpoe_recognition.normalization import SHEARS, SHIFTS

SHIFTED = slice(len(SHIFTS))
SHEARED = (SHIFTS.index((0, 0)), *range(len(SHIFTS), len(SHIFTS) + len(SHEARS)))
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Widths of the prior on warps to choose from, in pixels at the digit's edge."""


@dataclass(frozen=True)
class Variant:
    """A system: the scores that it classifies, for each value of its hyperparameter."""

    name: str
    step: str
    """What is done, in words."""
    networks: int
    candidates: dict[float, Scores]


@dataclass(frozen=True)
class VariantResult:
    """A variant's classifier with the value that validation chooses."""

    variant: Variant
    chosen: float
    outcome: RefitResult


def variants(
    plain: Sequence[Scores],
    deskewed: Sequence[Scores],
    warped: Scores,
    temperatures: tuple[float, ...],
) -> list[Variant]:
    """List all systems, the simplest first.

    Args:
        plain: goodness of all versions [S, N, M] of images as given, one array per network.
        deskewed: the same for networks that are trained on deskewed images and given them.
        warped: goodness [lengths, N, M] under the first network, of images warped as each model
            prefers.
        temperatures: candidates for the soft choice.
    """
    first, mean, mean_deskewed = plain[0], np.mean(plain, axis=0), np.mean(deskewed, axis=0)
    beside = np.concatenate([mean, mean_deskewed], axis=2)
    many, several = len(plain), len(deskewed)
    both = "both averages beside each other"
    priors = {
        width: (warped + penalties(width).numpy()[:, None, None]).max(axis=0) for width in WIDTHS
    }

    def soft(name: str, step: str, networks: int, versions: Scores) -> Variant:
        return Variant(name, step, networks, soft_choices(versions, temperatures))

    return [
        Variant("as_given", "one network, images as given", 1, {0.0: first[0]}),
        Variant("maximum", "maximum over shifts", 1, {0.0: first[SHIFTED].max(axis=0)}),
        soft("shifts", "soft choice among shifts", 1, first[SHIFTED]),
        soft("shears", "soft choice among shears", 1, first[[*SHEARED]]),
        soft("both", "soft choice among shifts and shears", 1, first),
        Variant("warps", "warps along the gradient, with a prior", 1, priors),
        soft("deskewed", "deskewed images, shifts", 1, deskewed[0][SHIFTED]),
        soft("averaged", f"{many} networks averaged, shifts", many, mean[SHIFTED]),
        soft(
            "averaged_deskewed",
            f"{several} deskewed networks averaged, shifts",
            several,
            mean_deskewed[SHIFTED],
        ),
        soft("beside", f"{both}, shifts", many + several, beside[SHIFTED]),
        soft("beside_both", f"{both}, shifts and shears", many + several, beside),
    ]


def evaluate(
    variant: Variant, params: Classifier, images: pd.DataFrame, workers: int
) -> VariantResult:
    """Fit a classifier on each of a variant's candidates, and choose one on validation."""
    refitted = refit_each(params, images, variant.candidates.values(), workers)
    outcomes = dict(zip(variant.candidates, refitted, strict=True))
    chosen = best(outcomes)
    return VariantResult(variant, chosen, outcomes[chosen])


def summary(results: Sequence[VariantResult]) -> dict[str, Any]:
    """Summarise the results, and choose a variant on validation: by errors, then by log loss."""
    top = min(results, key=lambda each: each.outcome.fit.validation_loss)
    rows = [
        {
            "name": each.variant.name,
            "step": each.variant.step,
            "networks": each.variant.networks,
            "chosen": each.chosen,
            **each.outcome.rates,
        }
        for each in results
    ]
    return {"chosen": top.variant.name, "rungs": rows}


def predictions(results: Sequence[VariantResult]) -> pd.DataFrame:
    """One row per validation or test image: set, index, label, and each variant's prediction."""
    images = results[0].outcome.predictions[IMAGE_COLUMNS]
    columns = {each.variant.name: each.outcome.predictions["prediction"] for each in results}
    return images.join(pd.DataFrame(columns))
