"""The served system put together: few classes, few images, and classes of different sizes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpoe.data.split import ClassImages, save_class
from hpoe.registration.assembly import teach_refusal
from hpoe.registration.observing import in_batches, observed
from hpoe_recognition.known_score import features
from hpoe_recognition.logistic import LogisticNet
from hpoe_recognition.networks import Layer
from hpoe_recognition.recogniser import Recogniser, System
from tests.unit.recognition.systems import LABELS, REFUSAL, edges, images, system

SIZES = {"2": (12, 9), "10": (3, 4), "<b>שלום</b> 🙂": (5, 31)}
"""Images in the two halves of each class's supervised set."""


def smaller(n_classes: int) -> System:
    """The first classes of the random system."""
    of = system()
    layers = tuple(
        Layer(**{name: array[:n_classes] for name, array in vars(layer).items()})
        for layer in of.network.layers
    )
    kept = slice(3 * n_classes), slice(n_classes)
    net = LogisticNet(of.net.weights[kept], of.net.biases[:n_classes])
    networks = {"tiny": replace(of.network, layers=layers)}
    return replace(of, labels=LABELS[:n_classes], networks=networks, net=net, validation_net=net)


def split_into(folder: Path) -> dict[str, ClassImages]:
    classes = {}
    for at, (label, (fit, validation)) in enumerate(SIZES.items()):
        made = images(20 + fit + validation + 2, 30 + at)
        ends = np.cumsum([20, fit, validation])
        one, two, three, four = np.split(made, ends)
        places = np.split(np.arange(len(made)), ends)
        classes[label] = ClassImages(one, two, three, four, *places)
        save_class(folder, label, classes[label])
    return classes


def taught(folder: Path, n_classes: int) -> tuple[Recogniser, dict[str, ClassImages]]:
    classes = split_into(folder)
    params = REFUSAL.model_copy(update={"outliers_per_kind": 2})
    recogniser, held_out = teach_refusal(smaller(n_classes), folder, params, 0, 1)
    labels = recogniser.system.labels
    assert held_out == sum(len(classes[label].validation) for label in labels)
    return recogniser, classes


@pytest.mark.parametrize("n_classes", [2, 3])
def test_refusal_is_taught_with_few_classes_of_few_images(tmp_path: Path, n_classes: int) -> None:
    found, classes = taught(tmp_path, n_classes)
    made = np.concatenate([classes[label].test for label in LABELS[:n_classes]])
    assert np.isfinite(found.known_score(found.system.evidence(made))).all()
    for array in (found.known_score.usual.mean, found.known_score.usual.scale):
        assert len(array) == n_classes
        assert np.isfinite(array).all()
    assert len(found.answer(made)) == len(made)


def test_typical_goodness_repeats_the_values_of_smaller_classes_evenly(tmp_path: Path) -> None:
    found, classes = taught(tmp_path, 3)
    of = found.system
    most = max(map(sum, SIZES.values()))
    assert found.typical.shape == (3, most)
    for at, label in enumerate(LABELS):
        own = np.concatenate([classes[label].fit, classes[label].validation])
        goodness = np.sort(of.scores(own)[:, 3 * at])
        np.testing.assert_allclose(np.unique(found.typical[at]), np.unique(goodness), atol=1e-4)
        times = np.unique(found.typical[at], return_counts=True)[1]
        assert times.max() - times.min() <= 1


def test_the_example_of_a_class_is_an_image_of_it_of_median_goodness(tmp_path: Path) -> None:
    found, classes = taught(tmp_path, 3)
    for at, label in enumerate(LABELS):
        goodness = found.system.scores(classes[label].fit)[:, 3 * at]
        away = np.abs(goodness - np.median(found.typical[at]))
        nearest = classes[label].fit[away.argmin()]
        np.testing.assert_array_equal(found.examples[at], nearest)


@pytest.mark.parametrize("count", [0, 1, 499, 500, 1001, 2600])
def test_parts_together_are_all_images(count: int) -> None:
    whole = np.arange(count, dtype=np.uint32).astype(np.uint8)[:, None, None]
    parts = in_batches(whole)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert max(map(len, parts)) < 2 * 500


def test_what_is_said_of_parts_is_what_is_said_of_the_whole() -> None:
    """1,100 images are cut into two parts."""
    of, whole = system(), images(1100)
    found, expected = observed(of, edges(), whole, 1), features(of.evidence(whole), edges())
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-4)
