"""The logistic net: eqs. 8 and 9 against naive loops, autograd and scikit-learn."""

from math import exp, log

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpoe import params as parameters
from hpoe.evaluation.refitting import fit_method
from hpoe.method.classifier import (
    Labels,
    Scores,
    fit,
    gradient_ascent,
    logistic_regression,
)
from hpoe.params import METHODS, Classifier, Method, Params
from hpoe_recognition.logistic import LogisticNet

Examples = tuple[Scores, Labels]
RULE = {"learning_rate": 0.002, "momentum": 0.9}
both_methods = pytest.mark.parametrize("method", METHODS)


def some_examples(classes: int, scores: int, count: int = 90, seed: int = 0) -> Examples:
    """Scores like goodness: hundreds of nats from 0, of different spreads, and overlapping."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = rng.normal(size=(classes, scores))
    standardised = centres[labels] + 1.5 * rng.normal(size=(count, scores))
    return 300 + rng.uniform(1, 60, scores) * standardised, labels


def halves(classes: int, scores: int, seed: int = 0) -> tuple[Examples, Examples]:
    values, labels = some_examples(classes, scores, 2 * 30 * classes, seed)
    middle = len(labels) // 2
    return (values[:middle], labels[:middle]), (values[middle:], labels[middle:])


def naive_log_probabilities(net: LogisticNet, scores: Scores) -> list[list[float]]:
    """Eq. 8 in plain numbers, the largest total input taken out of the exponentials."""
    result = []
    for image in scores.tolist():
        x = [
            bias + sum(g * w for g, w in zip(image, column, strict=True))
            for bias, column in zip(net.biases.tolist(), net.weights.T.tolist(), strict=True)
        ]
        total = sum(exp(value - max(x)) for value in x)
        result.append([value - max(x) - log(total) for value in x])
    return result


@pytest.fixture
def tiny(params: Params) -> Classifier:
    """The committed classifier's parameters with few values to choose from."""
    return params.classifier.model_copy(
        update={
            "gradient_ascent": parameters.GradientAscent(
                learning_rate=0.002, momentum=0.9, max_epochs=60
            ),
            "logistic_regression": parameters.LogisticRegression(
                inverse_regularisation=(1.0, 0.001, 0.1, 10.0, 0.01)
            ),
        }
    )


def test_probabilities_are_the_softmax_of_eq_8() -> None:
    rng = np.random.default_rng(0)
    net = LogisticNet(rng.normal(size=(30, 10)), rng.normal(size=10))
    scores = rng.normal(0, 5, (20, 30))
    before = scores.copy()
    found = net.log_probabilities(scores)
    np.testing.assert_allclose(found, naive_log_probabilities(net, scores), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("size", [-1e6, 1e6])
def test_probabilities_of_extreme_scores_are_finite_and_right(size: float) -> None:
    net = LogisticNet(np.array([[1.0, -1.0]]), np.zeros(2))
    found = net.log_probabilities(np.array([[size], [0.0]]))
    expected = [[min(0, 2 * size), min(0, -2 * size)], [-log(2), -log(2)]]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("classes", "scores"), [(2, 3), (4, 6), (10, 30)])
def test_gradient_ascent_is_eq_9_with_autograds_gradient(classes: int, scores: int) -> None:
    """Torch differentiates the log probability of the right classes, summed over all images."""
    values, labels = some_examples(classes, scores)
    standardised = torch.from_numpy(StandardScaler().fit_transform(values))
    target = torch.from_numpy(labels)
    weights = torch.zeros(scores, classes, dtype=torch.float64, requires_grad=True)
    biases = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    steps = [torch.zeros_like(weights), torch.zeros_like(biases)]
    epochs = range(1, 41)
    for expected, (epoch, net) in zip(
        epochs, gradient_ascent(values, labels, epochs, **RULE), strict=True
    ):
        log_p = torch.log_softmax(standardised @ weights + biases, dim=1)
        gradients = torch.autograd.grad(
            log_p[torch.arange(len(labels)), target].sum(), (weights, biases)
        )
        steps = [0.9 * step + 0.002 * g for step, g in zip(steps, gradients, strict=True)]
        with torch.no_grad():
            weights += steps[0]
            biases += steps[1]
            log_p = torch.log_softmax(standardised @ weights + biases, dim=1)
        assert epoch == expected
        np.testing.assert_allclose(net.log_probabilities(values), log_p.numpy(), atol=1e-9)


@pytest.mark.parametrize("classes", [2, 10])
def test_logistic_regression_is_scikit_learns_on_standardised_scores(classes: int) -> None:
    values, labels = some_examples(classes, 6)
    for c, net in logistic_regression(values, labels, [0.01, 1.0]):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000))
        expected = model.fit(values, labels).predict_proba(values)
        np.testing.assert_allclose(np.exp(net.log_probabilities(values)), expected, atol=1e-9)


@both_methods
@pytest.mark.parametrize("classes", [2, 4])
def test_the_value_chosen_is_the_best_on_the_validation_half(
    tiny: Classifier, method: Method, classes: int
) -> None:
    """By errors, then by log loss; every candidate tried by hand, trained on the first half."""
    fit_half, validation_half = halves(classes, 5)
    candidates: dict[Method, list[float]] = {
        "gradient_ascent": list(range(1, 61)),
        "logistic_regression": [0.001, 0.01, 0.1, 1.0, 10.0],
    }
    losses: dict[float, tuple[float, float]] = {}
    nets: dict[float, LogisticNet] = {}
    for value, net in fit_method(method, tiny)[0](*fit_half, candidates[method]):
        log_p = np.array(naive_log_probabilities(net, validation_half[0]))
        labels = validation_half[1]
        errors = sum(log_p[i].argmax() != label for i, label in enumerate(labels))
        log_loss = -sum(log_p[i, label] for i, label in enumerate(labels))
        losses[value] = (errors / len(labels), log_loss / len(labels))
        nets[value] = net
    found = fit(*fit_method(method, tiny), fit_half, validation_half)
    assert list(losses) == candidates[method]
    best = min(losses, key=lambda value: (round(losses[value][0], 12), losses[value][1]))
    assert len({loss for _, loss in losses.values()}) > 1
    assert found.chosen == best
    assert found.validation_loss == pytest.approx(losses[best], rel=1e-10)
    np.testing.assert_allclose(found.validation_net.weights, nets[best].weights, rtol=1e-10)


@both_methods
def test_the_final_net_is_trained_on_both_halves_with_the_value_chosen(
    tiny: Classifier, method: Method
) -> None:
    fit_half, validation_half = halves(3, 5)
    found = fit(*fit_method(method, tiny), fit_half, validation_half)
    both = [np.concatenate(pair) for pair in zip(fit_half, validation_half, strict=True)]
    ((_, whole),) = fit_method(method, tiny)[0](both[0], both[1], [found.chosen])
    ((_, half),) = fit_method(method, tiny)[0](*fit_half, [found.chosen])
    np.testing.assert_allclose(found.net.weights, whole.weights, rtol=1e-10)
    np.testing.assert_allclose(found.validation_net.weights, half.weights, rtol=1e-10)
    assert not np.allclose(found.net.weights, half.weights, rtol=1e-3)


@both_methods
def test_a_score_that_never_varies_changes_nothing(tiny: Classifier, method: Method) -> None:
    """A hidden unit that is always off, among the inputs of section 6's logistic net."""
    scores, labels = some_examples(3, 4)
    constant = np.column_stack([scores, np.full(len(scores), 0.3)])
    without, with_it = (
        [net for _, net in fit_method(method, tiny)[0](part, labels, [1])]
        for part in (scores, constant)
    )
    np.testing.assert_allclose(
        with_it[0].log_probabilities(constant), without[0].log_probabilities(scores), rtol=1e-6
    )
