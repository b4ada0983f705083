"""Fitting the digit score: digits against outliers, its threshold on digits held out."""

from dataclasses import replace
from warnings import catch_warnings, simplefilter

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from hpoe.params import Refusal
from hpoe.serving.digit_score import DigitScore, Seen, features


def fit_digit_score(
    params: Refusal, digits: Seen, outliers: Seen, held_out: Seen, seed: int
) -> DigitScore:
    """A net that tells digits from outliers; `refused_digits` of the held-out ones fall below it.

    The features are standardised by the digits alone: what is usual is usual for digits.
    """
    score = _standardised(digits)
    inputs = np.concatenate([score.inputs(digits), score.inputs(outliers)])
    targets = np.repeat([1, 0], [len(digits.goodness), len(outliers.goodness)])
    net = MLPClassifier(
        (params.hidden_units,),
        alpha=params.weight_decay,
        max_iter=params.epochs,
        n_iter_no_change=params.epochs,
        random_state=seed,
    )
    with threadpool_limits(limits=1), catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # it ends with the epochs, which is meant
        net.fit(inputs, targets)
    (hidden_weights, weights), (hidden_biases, bias) = net.coefs_, net.intercepts_
    score = replace(
        score,
        hidden_weights=hidden_weights,
        hidden_biases=hidden_biases,
        weights=weights[:, 0],
        bias=bias[0],
    )
    threshold = np.quantile(score(held_out), params.refused_digits)
    return replace(score, threshold=np.asarray(threshold))


def refused(score: DigitScore, seen: Seen) -> float:
    """The fraction of images said not to look like a digit."""
    return float(np.mean(score(seen) < score.threshold))


def _standardised(digits: Seen) -> DigitScore:
    """What is usual for digits, and a net yet to be fitted."""
    classes = digits.log_probabilities.shape[1]
    recognised = [digits.goodness[digits.digits == digit] for digit in range(classes)]
    usual = np.stack([goodness.mean(axis=0) for goodness in recognised])
    spread = np.stack([goodness.std(axis=0) for goodness in recognised])
    raw = features(digits, usual, spread)
    scale = raw.std(axis=0)
    nothing = np.zeros(())
    return DigitScore(
        usual_goodness=usual,
        goodness_scale=spread,
        mean=raw.mean(axis=0),
        scale=np.where(scale > 0, scale, 1),  # pixels that are black in every digit
        hidden_weights=nothing,
        hidden_biases=nothing,
        weights=nothing,
        bias=nothing,
        threshold=nothing,
    )
