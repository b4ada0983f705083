"""The way to the best system of class-specific models: a step at a time, chosen on validation.

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
EVERY = slice(None)
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the prior on warps, pixels at the digit's edge, to choose from on validation."""


@dataclass(frozen=True)
class Rung:
    """A system: the scores it classifies, by the free number that validation chooses."""

    name: str
    step: str
    """What is done, in words."""
    networks: int
    candidates: dict[float, Scores]


@dataclass(frozen=True)
class Climbed:
    """What came of a rung."""

    rung: Rung
    chosen: float
    outcome: RefitResult


def rungs(
    plain: Sequence[Scores],
    deskewed: Sequence[Scores],
    warped: Scores,
    temperatures: tuple[float, ...],
) -> list[Rung]:
    """All systems, the simplest first.

    Args:
        plain: goodness of all versions [S, N, M], a network; of images as given.
        deskewed: the same of networks that are trained on deskewed images and given them.
        warped: goodness under the first network, of images warped as models like [lengths, N, M].
        temperatures: of the soft choices.
    """
    first = plain[0]
    average, average_deskewed = (np.mean(scores, axis=0) for scores in (plain, deskewed))
    beside = np.concatenate([average, average_deskewed], axis=2)

    def soft(versions: Scores) -> dict[float, Scores]:
        return soft_choices(versions, temperatures)

    many, several = len(plain), len(deskewed)
    together = many + several
    return [
        Rung("as_given", "one network, images as given", 1, {0.0: first[0]}),
        Rung("maximum", "maximum over shifts", 1, {0.0: first[SHIFTED].max(axis=0)}),
        Rung("shifts", "soft choice among shifts", 1, soft(first[SHIFTED])),
        Rung("shears", "soft choice among shears", 1, soft(first[[*SHEARED]])),
        Rung("both", "soft choice among shifts and shears", 1, soft(first[EVERY])),
        Rung("warps", "warps along the gradient, with a prior", 1, _likeliest(warped)),
        Rung("deskewed", "deskewed images, shifts", 1, soft(deskewed[0][SHIFTED])),
        Rung("averaged", f"{many} networks averaged, shifts", many, soft(average[SHIFTED])),
        Rung(
            "averaged_deskewed",
            f"{several} deskewed networks averaged, shifts",
            several,
            soft(average_deskewed[SHIFTED]),
        ),
        Rung(
            "beside",
            "both averages beside each other, shifts",
            together,
            soft(beside[SHIFTED]),
        ),
        Rung(
            "beside_both",
            "both averages beside each other, shifts and shears",
            together,
            soft(beside[EVERY]),
        ),
    ]


def climb(rung: Rung, params: Classifier, images: pd.DataFrame, workers: int) -> Climbed:
    """Fit a classifier on each of a rung's candidates; the best on validation counts."""
    refitted = refit_each(params, images, rung.candidates.values(), workers)
    outcomes = dict(zip(rung.candidates, refitted, strict=True))
    chosen = best(outcomes)
    return Climbed(rung, chosen, outcomes[chosen])


def summary(climbed: Sequence[Climbed]) -> dict[str, Any]:
    """What the rungs gave, and which of them validation chooses: errors, then log loss."""
    top = min(climbed, key=lambda each: each.outcome.fit.validation_loss)
    rows = [
        {
            "name": each.rung.name,
            "step": each.rung.step,
            "networks": each.rung.networks,
            "chosen": each.chosen,
            **each.outcome.rates,
        }
        for each in climbed
    ]
    return {"chosen": top.rung.name, "rungs": rows}


def predictions(climbed: Sequence[Climbed]) -> pd.DataFrame:
    """A row a validation or test image: set, index, label, and each rung's prediction."""
    images = climbed[0].outcome.predictions[IMAGE_COLUMNS]
    columns = {each.rung.name: each.outcome.predictions["prediction"] for each in climbed}
    return images.join(pd.DataFrame(columns))


def _likeliest(warped: Scores) -> dict[float, Scores]:
    """The goodness of the warp with the highest goodness and prior, by the prior's width."""
    return {
        width: (warped + penalties(width).numpy()[:, None, None]).max(axis=0) for width in WIDTHS
    }
