"""Classifiers refitted on scores that were normalised: what section 7's choices are judged by.

Shapes: S versions of an image, N images, M models.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.classifier import Fit, fit
from hpoe.evaluation import IMAGE_COLUMNS, error_rates, predict, scores_and_labels
from hpoe.normalization import soft_choice
from hpoe.parallel import run_in_order
from hpoe.params import Classifier

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """A classifier refitted on normalised scores, its predictions and its error rates."""

    fit: Fit
    predictions: pd.DataFrame
    rates: dict[str, float]


def refit(params: Classifier, images: pd.DataFrame, scores: Scores) -> Outcome:
    """Fit and evaluate the chosen method on scores [N, M] of labelled images [N rows]."""
    normalised = images[IMAGE_COLUMNS].join(pd.DataFrame(scores, images.index).add_prefix("score"))
    halves = [scores_and_labels(normalised, name) for name in ("fit", "validation")]
    fitted = fit(params.method, params, halves[0], halves[1])
    predictions = predict(normalised, fitted)
    return Outcome(fitted, predictions, error_rates(predictions))


def refit_each(
    params: Classifier, images: pd.DataFrame, choices: Iterable[Scores], workers: int
) -> list[Outcome]:
    """The same for the scores of each of some choices, by several processes."""
    return run_in_order(partial(refit, params, images), choices, workers)


def soft_choices(versions: Scores, temperatures: tuple[float, ...]) -> dict[float, Scores]:
    """Scores [N, M] after the soft choice among versions [S, N, M], by temperature."""
    return {t: soft_choice(versions, t) for t in sorted(temperatures)}


def best(outcomes: Mapping[float, Outcome]) -> float:
    """The number whose classifier does best on validation: errors, then log loss."""
    return min(outcomes, key=lambda number: outcomes[number].fit.validation_loss)
