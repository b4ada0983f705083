"""Classifiers refitted on normalised scores, by which section 7's choices are compared.

Shapes: S versions of an image, N images, M models.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hpoe.compute.parallel import run_in_order
from hpoe.evaluation.measures import IMAGE_COLUMNS, error_rates, predict, scores_and_positions
from hpoe.method.classifier import Fit, FitMethod, fit, gradient_ascent, logistic_regression
from hpoe.params import Classifier, Method
from hpoe_recognition.normalization import soft_choice

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class RefitResult:
    """A classifier refitted on normalised scores, its predictions and its error rates."""

    fit: Fit
    predictions: pd.DataFrame
    rates: dict[str, float]


def fit_method(method: Method, params: Classifier) -> tuple[FitMethod, Sequence[float]]:
    """Return a method with its settings, and the values of its hyperparameter, ascending."""
    ascent = params.gradient_ascent
    methods: dict[Method, tuple[FitMethod, Sequence[float]]] = {
        "gradient_ascent": (
            partial(gradient_ascent, learning_rate=ascent.learning_rate, momentum=ascent.momentum),
            range(1, ascent.max_epochs + 1),
        ),
        "logistic_regression": (
            logistic_regression,
            sorted(params.logistic_regression.inverse_regularisation),
        ),
    }
    return methods[method]


def fit_table(method: Method, params: Classifier, table: pd.DataFrame) -> Fit:
    """Fit the net on a table of goodness."""
    halves = [scores_and_positions(table, name) for name in ("fit", "validation")]
    return fit(*fit_method(method, params), halves[0], halves[1])


def refit(params: Classifier, images: pd.DataFrame, scores: Scores) -> RefitResult:
    """Fit and evaluate the chosen method on scores [N, M] of labelled images [N rows]."""
    normalised = images[IMAGE_COLUMNS].join(pd.DataFrame(scores, images.index).add_prefix("score"))
    fitted = fit_table(params.method, params, normalised)
    predictions = predict(normalised, fitted)
    return RefitResult(fitted, predictions, error_rates(predictions))


def refit_each(
    params: Classifier, images: pd.DataFrame, choices: Iterable[Scores], workers: int
) -> list[RefitResult]:
    """Refit on the scores of each choice, in several processes."""
    return run_in_order(partial(refit, params, images), choices, workers)


def soft_choices(versions: Scores, temperatures: tuple[float, ...]) -> dict[float, Scores]:
    """Return the scores [N, M] of soft choices among versions [S, N, M], by temperature."""
    return {t: soft_choice(versions, t) for t in sorted(temperatures)}


def best(results: Mapping[float, RefitResult]) -> float:
    """Return the value with the lowest validation loss: errors, then log loss."""
    return min(results, key=lambda value: results[value].fit.validation_loss)


def chosen_versions(scores: Scores, own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Count how often models like each version best: fractions [2, S] of scores [S, N, M].

    The first row is for the models of an image's own class (`own` [N, M]), the second for others.
    """
    chosen = scores.argmax(axis=0)
    counts = [np.bincount(chosen[models], minlength=len(scores)) for models in (own, ~own)]
    return np.stack([count / count.sum() for count in counts])
