"""The packaged system beside the pipeline's own parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from hpoe.tensors import save_tensors
from hpoe_recognition.formats import MNIST
from hpoe_recognition.normalization import (
    SHIFTS,
    deskew,
    shift,
    unit_interval,
)
from hpoe_recognition.recogniser import NO_INK, Recogniser
from tests.unit.recognition.systems import LABELS, SIDE, images, recogniser, system


def test_scores_are_the_soft_choices_of_every_model_among_the_shifted_images() -> None:
    of, made = system(), images(203)  # of several batches
    (network,) = of.networks.values()
    versions = np.stack([network.goodness(unit_interval(shift(made, by))) for by in SHIFTS])
    expected = 2.0 * (logsumexp(versions / 2.0, axis=0) - np.log(len(SHIFTS)))
    np.testing.assert_allclose(of.scores(made), expected, atol=1e-4)


def test_networks_of_deskewed_images_are_asked_about_deskewed_ones() -> None:
    plain, made = system(), images(7)
    (network,) = plain.networks.values()
    other = replace(network, images="deskewed")
    of = replace(plain, networks={"deskewed": other})
    upright = deskew(made)
    assert (upright != made).any()
    scores = of.scores(made)
    np.testing.assert_array_equal(scores, plain.scores(upright))
    both = replace(plain, networks={"plain": network, "deskewed": other}, offsets=((0, 0),))
    v, w = unit_interval(made), unit_interval(upright)
    expected = (network.goodness(v) + network.goodness(w)) / 2
    np.testing.assert_allclose(both.scores(made), expected, atol=1e-4)
    np.testing.assert_array_equal(of.evidence(made).pictures, plain.evidence(upright).pictures)
    reconstructions = of.reconstructions(made[0], [2, 0])
    assert reconstructions.shape == (2, SIDE, SIDE)
    np.testing.assert_array_equal(reconstructions, plain.reconstructions(upright[0], [2, 0]))
    np.testing.assert_array_equal(reconstructions[1:], of.reconstructions(made[0], [0]))


def test_answers_say_what_the_parts_say() -> None:
    of, made = recogniser(), images(40)
    answers = of.answer(made)
    scores = of.system.scores(made)
    p = softmax(scores @ of.system.net.weights + of.system.net.biases, axis=1)
    said = of.known_score(of.system.evidence(made))
    for number, answer in enumerate(answers):
        position = LABELS.index(answer.label)
        assert position == p[number].argmax()
        assert list(answer.probabilities) == list(LABELS)
        np.testing.assert_allclose([*answer.probabilities.values()], p[number])
        assert answer.probability == answer.probabilities[answer.label]
        held_out = of.typical[position]
        below = float(np.mean(held_out <= scores[number, 3 * position]))
        assert answer.typicality == pytest.approx(100 * below)
        assert answer.known_score == pytest.approx(said[number])
        assert answer.is_known == (said[number] >= of.known_score.threshold)


def test_recognise_uses_the_net_that_is_asked_for() -> None:
    of, made = system(), images(50)
    labels = [of.recognise(net, made) for net in (of.net, of.validation_net)]
    scores = of.scores(made)
    for net, found in zip((of.net, of.validation_net), labels, strict=True):
        expected = (scores @ net.weights + net.biases).argmax(axis=1)
        assert found == [LABELS[position] for position in expected]
    assert labels[0] != labels[1]


def test_a_blank_image_is_answered_and_is_of_no_known_class() -> None:
    (answer,) = recogniser().answer(np.zeros((1, SIDE, SIDE), np.uint8))
    assert not answer.is_known
    assert answer.known_score == NO_INK
    assert answer.label in LABELS
    assert np.isfinite([*answer.probabilities.values()]).all()


def test_a_recogniser_comes_back_from_its_file(tmp_path: Path) -> None:
    of, made = recogniser(how="deskewed"), images(20)
    save_tensors(tmp_path / "weights.safetensors", *of.contents())
    back = Recogniser.load(tmp_path / "weights.safetensors")
    assert (back.system.labels, back.system.format) == (LABELS, MNIST)
    np.testing.assert_array_equal(back.examples, of.examples)
    assert back.answer(made) == of.answer(made)
    assert back.system.recognise(back.system.validation_net, made) == of.system.recognise(
        of.system.validation_net, made
    )


def test_a_file_of_the_first_contract_is_refused(tmp_path: Path) -> None:
    arrays, record = recogniser().contents()
    assert record.pop("contract") == 2
    save_tensors(tmp_path / "weights.safetensors", arrays, record)
    with pytest.raises(ValueError, match="answers are of contract 1, not 2"):
        Recogniser.load(tmp_path / "weights.safetensors")
