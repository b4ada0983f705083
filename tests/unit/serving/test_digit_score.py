"""Features and net of the digit score, and how they are fitted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from hpoe.refusal import fit_digit_score, refused
from hpoe.serving.digit_score import BLOCK, MOST, DigitScore, features, in_blocks
from tests.unit.serving.systems import DIGITS, REFUSAL, images, recogniser, seen, system


@given(st.integers(1, 11), st.integers(1, 11))
def test_blocks_sum_to_their_pixels(rows: int, columns: int) -> None:
    image = np.random.default_rng(rows * 100 + columns).random((1, rows, columns))
    found = in_blocks(image)[0]
    expected = [
        image[0, r : r + BLOCK, c : c + BLOCK].sum()
        for r in range(0, rows, BLOCK)
        for c in range(0, columns, BLOCK)
    ]
    np.testing.assert_allclose(found, expected)


def test_features_of_an_image_do_not_depend_on_the_others() -> None:
    score, of = recogniser().digit_score, system()
    together = features(seen(of, images(8)), score.usual_goodness, score.goodness_scale)
    alone = features(seen(of, images(8)[3:4]), score.usual_goodness, score.goodness_scale)
    np.testing.assert_allclose(together[3:4], alone, atol=1e-4)


def test_features_of_the_digits_it_was_fitted_on_are_standardised() -> None:
    of = system()
    digits = seen(of, images(200, 1))
    score = fit_digit_score(REFUSAL, digits, seen(of, images(50, 2) // 2), digits, seed=0)
    raw = features(digits, score.usual_goodness, score.goodness_scale)
    inputs = (raw - score.mean) / score.scale
    varied = raw.std(axis=0) > 1e-9
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(inputs[:, varied].std(axis=0), 1, atol=1e-6)
    assert np.abs(score.inputs(digits)).max() <= MOST


def test_the_stated_share_of_held_out_digits_is_refused() -> None:
    of = system()
    held_out = seen(of, images(400, 3))
    score = fit_digit_score(
        REFUSAL, seen(of, images(90, 1)), seen(of, images(60, 2) // 2), held_out, 0
    )
    assert refused(score, held_out) == pytest.approx(REFUSAL.refused_digits, abs=1 / 400)


def test_the_score_tells_figures_it_was_fitted_on_from_fainter_ones() -> None:
    """On images it has not seen; the two kinds differ in nothing but their intensity."""
    of = system()
    score = recogniser().digit_score
    figures, faint = score(seen(of, images(100, 11))), score(seen(of, images(100, 12) // 2))
    targets = np.repeat([1, 0], 100)
    assert roc_auc_score(targets, np.concatenate([figures, faint])) > 0.95


def test_fitting_again_gives_the_same_score() -> None:
    first, second = recogniser().digit_score, recogniser().digit_score
    for name, array in first.to_arrays("").items():
        np.testing.assert_array_equal(array, second.to_arrays("")[name])


def test_a_score_comes_back_from_its_arrays() -> None:
    score = recogniser().digit_score
    back = DigitScore.from_arrays(score.to_arrays("x/"), "x/")
    of = seen(system(), images(5))
    np.testing.assert_array_equal(back(of), score(of))
    assert score.usual_goodness.shape == (len(DIGITS), 3 * len(DIGITS))
