"""Features and net of the digit score, and how they are fitted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from hpoe.registration.refusal import TrainedDigitNet, fit_digit_score, usual_for
from hpoe_recognition.arrays import to_arrays
from hpoe_recognition.digit_score import CLIP, STRIDE, convolved, features
from tests.unit.recognition.systems import REFUSAL, edges, images, recogniser, system


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from((1, 3, 5)))
def test_convolutions_are_those_of_pytorch(rows: int, columns: int, size: int) -> None:
    rng = np.random.default_rng(rows * 100 + columns)
    pictures = rng.standard_normal((2, 3, rows, columns)).astype(np.float32)
    kernels = rng.standard_normal((4, 3, size, size)).astype(np.float32)
    biases = rng.standard_normal(4).astype(np.float32)
    given, weights, added = map(torch.from_numpy, (pictures, kernels, biases))
    expected = torch.nn.functional.conv2d(given, weights, added, STRIDE, size // 2)
    np.testing.assert_allclose(
        convolved(pictures, kernels, biases), expected.relu().numpy(), atol=1e-4
    )


def test_the_served_net_answers_as_the_fitted_one() -> None:
    torch.manual_seed(0)
    net = TrainedDigitNet(7, 28, 28, 5).eval()
    features, pictures = torch.randn(6, 7), torch.rand(6, 3, 28, 28)
    with torch.no_grad():
        expected = net(features, pictures).numpy()
    np.testing.assert_allclose(
        net.arrays()(features.numpy(), pictures.numpy()), expected, atol=1e-4
    )


def test_features_of_the_digits_it_was_fitted_on_are_standardised() -> None:
    of = system()
    digits = of.evidence(images(200, 1))
    usual = usual_for(digits)
    raw = features(digits, usual.goodness, usual.goodness_scale)
    inputs = (raw - usual.mean) / usual.scale
    varied = raw.std(axis=0) > 1e-9
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(inputs[:, varied].std(axis=0), 1, atol=1e-6)
    assert np.abs(usual.features(digits)).max() <= CLIP


def test_the_stated_share_of_held_out_digits_is_refused() -> None:
    of = system()
    held_out = of.evidence(images(400, 3))
    score = fit_digit_score(
        REFUSAL, edges(), of.evidence(images(90, 1)), of.evidence(images(60, 2) // 2), held_out, 0
    )
    refused = np.mean(score(held_out) < score.threshold)
    assert refused == pytest.approx(REFUSAL.refused_digits, abs=1 / 400)


def test_the_score_tells_figures_it_was_fitted_on_from_fainter_ones() -> None:
    """On images it has not seen; the two kinds differ in nothing but their intensity."""
    of = system()
    score = recogniser().digit_score
    figures, faint = score(of.evidence(images(100, 11))), score(of.evidence(images(100, 12) // 2))
    targets = np.repeat([1, 0], 100)
    assert roc_auc_score(targets, np.concatenate([figures, faint])) > 0.95


@pytest.mark.slow
def test_fitting_again_gives_the_same_score() -> None:
    first, second = (to_arrays(recogniser.__wrapped__().digit_score, "") for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
