"""The logistic net: goodness scores in, class probabilities out (section 4, eqs. 8 and 9).

Shapes: N images, M scores (30 for ten digits of three layers), C classes. All arrays float64, and
labels are class positions 0..C-1, int64 [N].
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.logistic import LogisticNet

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]
ROUNDING = 1e-12
"""Relative standard deviation below which a score counts as constant; the rest is rounding."""
MAX_ITERATIONS = 10_000  # of scikit-learn's solver; it converges in some fifty


@dataclass(frozen=True)
class Fit:
    """A fitted net, and the hyperparameter chosen for it on the validation half."""

    net: LogisticNet
    """Trained on the whole supervised set with the chosen value."""
    validation_net: LogisticNet
    """Trained on the first half only: the one that validation figures are measured with."""
    chosen: float
    """Epochs of gradient ascent, or C of logistic regression."""
    validation_loss: tuple[float, float]
    """Error rate and mean log loss (nats) of the validation net on the validation half."""


FitMethod = Callable[[Scores, Labels, Sequence[float]], Iterator[tuple[float, LogisticNet]]]
"""Yields one net per value of the method's hyperparameter; the values ascend."""


def fit(
    method: FitMethod,
    values: Sequence[float],
    fit_half: tuple[Scores, Labels],
    validation_half: tuple[Scores, Labels],
) -> Fit:
    """Fit the logistic net, with its hyperparameter chosen on the validation half (section 3).

    Each candidate value is fitted on the first half; they are compared on the validation half by
    errors, then by log loss; the chosen one is fitted again on both halves.
    """
    from threadpoolctl import threadpool_limits

    scores = np.concatenate([fit_half[0], validation_half[0]])
    labels = np.concatenate([fit_half[1], validation_half[1]])
    with threadpool_limits(limits=1):  # with 30 columns, two threads were 15 times slower
        candidates = (
            (_validation_loss(net, *validation_half), chosen, net)
            for chosen, net in method(*fit_half, values)
        )
        loss, chosen, validation_net = min(candidates, key=lambda candidate: candidate[0])
        ((_, net),) = method(scores, labels, [chosen])
    return Fit(net, validation_net, float(chosen), loss)


def gradient_ascent(
    scores: Scores,
    labels: Labels,
    epochs: Sequence[float],
    *,
    learning_rate: float,
    momentum: float,
) -> Iterator[tuple[float, LogisticNet]]:
    """Fit by batch gradient ascent with momentum (eq. 9); yield the net after each of `epochs`.

    dw_mj(t) = mu dw_mj(t-1) + rate sum_c g_m^c (t_j^c - p_j^c), everything starting at 0, the
    biases being weights from an input that is always 1. The scores are standardised: with raw
    ones, hundreds of nats away from 0, the paper's rate overshoots (docs/how-it-works.md).
    """
    mean, scale = _scaling(scores)
    inputs = np.column_stack([(scores - mean) / scale, np.ones(len(scores))])
    targets = np.eye(labels.max() + 1)[labels]
    weights = np.zeros((inputs.shape[1], targets.shape[1]))
    increments = np.zeros_like(weights)
    for epoch in range(1, int(epochs[-1]) + 1):
        gradient = inputs.T @ (targets - _softmax(inputs @ weights))
        increments = momentum * increments + learning_rate * gradient
        weights = weights + increments
        if epoch in epochs:
            yield epoch, _fold(weights[:-1], weights[-1], mean, scale)


def logistic_regression(
    scores: Scores, labels: Labels, inverse_regularisations: Sequence[float]
) -> Iterator[tuple[float, LogisticNet]]:
    """Fit L2-regularised multinomial regression on standardised scores; yield one net per C."""
    from sklearn.linear_model import LogisticRegression  # takes a second; prediction does without

    mean, scale = _scaling(scores)
    standardised = (scores - mean) / scale
    for c in inverse_regularisations:
        model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(standardised, labels)
        weights, biases = model.coef_.T, model.intercept_
        if len(biases) == 1:  # two classes: scikit-learn returns the second one's log odds
            weights, biases = np.hstack([-weights, weights]) / 2, np.hstack([-biases, biases]) / 2
        yield c, _fold(weights, biases, mean, scale)


def _softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax of each row."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = e / e.sum(axis=1, keepdims=True)
    return result


def _scaling(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and standard deviation of each score; 1 for a score that never varies."""
    mean, scale = scores.mean(axis=0), scores.std(axis=0)
    return mean, np.where(scale > ROUNDING * np.abs(mean), scale, 1)


def _fold(
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> LogisticNet:
    """Return the net on raw scores g that equals the given one on (g - mean) / scale."""
    raw = weights / scale[:, None]
    return LogisticNet(raw, biases - mean @ raw)


def _validation_loss(net: LogisticNet, scores: Scores, labels: Labels) -> tuple[float, float]:
    """Return error rate and mean log loss in nats, in the order candidates are compared by."""
    log_p = net.log_probabilities(scores)
    errors = float(np.mean(log_p.argmax(axis=1) != labels))
    return errors, -float(np.mean(log_p[np.arange(len(labels)), labels]))
