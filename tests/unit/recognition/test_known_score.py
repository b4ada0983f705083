"""Features and net of the known score, and how they are fitted."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from hpoe.registration.refusal import TrainedKnownNet, fit_known_score, usual_for
from hpoe_recognition.arrays import to_arrays
from hpoe_recognition.edge_density import EdgeDensities
from hpoe_recognition.known_score import CLIP, Evidence, Features, features
from tests.unit.recognition.systems import (
    LABELS,
    REFUSAL,
    edges,
    images,
    observed,
    recogniser,
    system,
)


def test_the_served_net_answers_as_the_fitted_one() -> None:
    torch.manual_seed(0)
    net, inputs = TrainedKnownNet(7, 5).eval(), torch.randn(6, 7)
    with torch.no_grad():
        expected = net(inputs).numpy()
    np.testing.assert_allclose(net.arrays()(inputs.numpy()), expected, atol=1e-5)


def feature(evidence: Evidence, row: int) -> list[float]:
    """The features of one image of two layers, written out."""
    log_p, g = evidence.log_probabilities[row], evidence.goodness[row].reshape(-1, 2)
    known = [at for at in range(len(log_p)) if np.isfinite(log_p[at])]
    first = max(known, key=lambda at: log_p[at])
    others = [at for at in known if at != first]
    second = max(others, key=lambda at: log_p[at])
    image, *reconstructions = evidence.pictures[row].astype(float)
    ink = image.sum() + 5
    errors = [((image - each) ** 2).sum() + 0.5 for each in reconstructions]
    return [
        *g[first],
        *(g[first] - g[others].max(axis=0)),
        *(g[first] - g[others].mean(axis=0)),
        *(g[first] - g[second]),
        np.log(ink),
        log_p[second] - log_p[first],
        np.log(sum(np.exp(log_p[at]) for at in others)),
        *(value for error in errors for value in (np.log(error), np.log(error / ink))),
    ]


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_features_are_as_many_and_what_they_say_whatever_the_number_of_classes(
    n_classes: int,
) -> None:
    """One class in each image is withheld, and all that is left of it is its place."""
    rng = np.random.default_rng(n_classes)
    odds = rng.standard_normal((20, n_classes + 1))
    odds[np.arange(20), rng.integers(0, n_classes + 1, 20)] = -np.inf
    log_p = odds - np.log(np.exp(odds).sum(axis=1, keepdims=True))
    evidence = Evidence(
        rng.random((20, 3, 9, 8), np.float32), rng.standard_normal((20, 2 * n_classes + 2)), log_p
    )
    found = features(evidence, of_classes(n_classes + 1))
    expected = [feature(evidence, row) for row in range(20)]
    np.testing.assert_allclose(found.values[:, :-1], expected, atol=1e-5)
    own = of_classes(n_classes + 1)(evidence.pictures[:, 0], evidence.positions)
    np.testing.assert_allclose(found.values[:, -1], own)
    hidden = evidence.goodness.reshape(20, -1, 2).copy()
    hidden[~np.isfinite(log_p)] = 1e6
    other = Evidence(evidence.pictures, hidden.reshape(20, -1), log_p)
    np.testing.assert_array_equal(features(other, of_classes(n_classes + 1)).values, found.values)


def of_classes(n_classes: int) -> EdgeDensities:
    """Edge densities of random classes."""
    rng = np.random.default_rng(0)
    means = rng.random((n_classes, 128), np.float32)
    directions = np.stack([np.linalg.qr(rng.standard_normal((128, 4)))[0] for _ in means])
    variances = rng.random((n_classes, 4), np.float32)
    return EdgeDensities(
        means, directions.astype(np.float32), variances, variances[:, 0], variances[:, 1]
    )


def test_withholding_a_class_is_not_knowing_it() -> None:
    """As a net without that class's output, whose inputs are the same, would decide."""
    of, made = system(), images(40)
    scores = of.scores(made)
    withheld = np.arange(40) % len(LABELS)
    found = of.evidence_from(made, scores, withheld)
    whole = np.exp(of.net.log_probabilities(scores))
    for row, position in enumerate(withheld):
        p = np.delete(whole[row], position)
        kept = np.delete(found.log_probabilities[row], position)
        np.testing.assert_allclose(np.exp(kept), p / p.sum(), rtol=1e-9)
    assert not (found.positions == withheld).any()


def random_features(counts: list[int], seed: int = 0) -> Features:
    """Normal features, 4 of them, of classes whose means lie ten standard deviations apart."""
    rng = np.random.default_rng(seed)
    positions = np.repeat(np.arange(len(counts)), counts)
    means = 10 * rng.standard_normal((len(counts), 4))
    return Features(means[positions] + rng.standard_normal((len(positions), 4)), positions)


def test_features_of_the_images_it_was_fitted_on_are_standardised() -> None:
    known = random_features([4000, 3000, 5000])
    inputs = usual_for(known, 3)(known)
    for position in range(3):
        of_class = inputs[known.positions == position]
        np.testing.assert_allclose(of_class.mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(of_class.std(axis=0), 1, atol=0.02)
    assert np.abs(inputs).max() <= CLIP


def test_classes_of_one_image_or_none_borrow_the_others_spread() -> None:
    """A class of one image lies where that is, within a tenth of what separates classes."""
    known = random_features([400, 1, 400, 0, 300])
    usual = usual_for(known, 5)
    np.testing.assert_allclose(usual.scale[[1, 3]], usual.scale[[0, 2, 4]].mean(), rtol=0.1)
    only = known.values[known.positions == 1][0]
    assert np.abs(usual.mean[1] - only).max() < 1
    np.testing.assert_allclose(usual.mean[3], known.values.mean(axis=0))


def test_the_stated_share_of_held_out_images_is_refused() -> None:
    of = system()
    held_out = observed(of, images(400, 3))
    score = fit_known_score(
        REFUSAL,
        edges(),
        [observed(of, images(90, 1))],
        observed(of, images(60, 2) // 2),
        observed(of, images(30, 4)),
        held_out,
        0,
    )
    refused = np.mean(score.of(held_out) < score.threshold)
    assert refused == pytest.approx(REFUSAL.refused_known, abs=1 / 400)


def scores(made: NDArray[np.uint8]) -> NDArray[np.float32]:
    return recogniser().known_score(system().evidence(made))


def test_the_score_tells_figures_it_was_fitted_on_from_fainter_ones() -> None:
    """On images it has not seen; the two kinds differ in nothing but their intensity."""
    figures, faint = scores(images(100, 11)), scores(images(100, 12) // 2)
    targets = np.repeat([1, 0], 100)
    assert roc_auc_score(targets, np.concatenate([figures, faint])) > 0.95


@pytest.mark.slow
def test_fitting_again_gives_the_same_score() -> None:
    first, second = (to_arrays(recogniser.__wrapped__().known_score, "") for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
