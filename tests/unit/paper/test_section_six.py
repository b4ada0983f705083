"""Section 6: the joint model against brute force, and the measure of class-specific units."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpoe.method.fitting import fit_layers
from hpoe.method.joint import JointDivergence, clamped_goodness, labelled
from hpoe.method.rbm import RBM, initial_state
from hpoe.method.recipe import Recipe
from hpoe.paper.section_six import (
    Key,
    class_specificity,
    joint_predictions,
    train_joint,
)

PIXELS, CLASSES, HIDDEN = 6, 3, 4


@pytest.fixture
def rbm() -> RBM:
    """A random RBM of six pixels, three labels and four hidden units."""
    rng = np.random.default_rng(0)
    shapes = ((PIXELS + CLASSES, HIDDEN), (PIXELS + CLASSES,), (HIDDEN,))
    return RBM(*(torch.tensor(rng.standard_normal(shape), dtype=torch.float32) for shape in shapes))


def test_clamped_goodness_is_the_logarithm_of_a_sum_over_all_hidden_states(rbm: RBM) -> None:
    v = torch.rand(5, PIXELS)
    found = clamped_goodness(rbm, v, CLASSES)
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * HIDDEN)
    for label in range(CLASSES):
        units = torch.cat([v, torch.eye(CLASSES)[label].expand(5, -1)], dim=1)
        energies = units @ rbm.weights @ states.T + states @ rbm.hidden_biases
        expected = torch.logsumexp(energies, dim=1) + units @ rbm.visible_biases
        torch.testing.assert_close(found[:, label].float(), expected, rtol=1e-5, atol=1e-5)


def test_an_update_is_that_of_cd_1_with_a_softmax_of_the_labels(recipe: Recipe) -> None:
    """Written out with nothing in place (section 6; eqs. 6 and 7 without momentum)."""
    rng = np.random.default_rng(1)
    state = initial_state(recipe, 1, PIXELS + CLASSES, rng)
    w, b, c = (
        part.clone()
        for part in (state.rbm.weights, state.rbm.visible_biases, state.rbm.hidden_biases)
    )
    v0 = labelled(torch.rand(3, PIXELS), torch.tensor([0, 2, 1]), CLASSES)
    uniform = torch.rand(3, recipe.units[0])
    JointDivergence(state, recipe, CLASSES).update(v0, uniform, learning_rate=0.2, momentum=0.0)
    h0 = torch.sigmoid(v0 @ w + c)
    x = (h0 > uniform).float() @ w.T + b
    v1 = torch.cat([torch.sigmoid(x[:, :PIXELS]), torch.softmax(x[:, PIXELS:], dim=1)], dim=1)
    h1 = torch.sigmoid(v1 @ w + c)
    step = 0.2 * ((v0.T @ h0 - v1.T @ h1) / 3 - recipe.weight_decay * w)
    torch.testing.assert_close(state.rbm.weights, w + step)
    torch.testing.assert_close(state.rbm.visible_biases, b + 0.2 * (v0 - v1).mean(dim=0))
    torch.testing.assert_close(state.rbm.hidden_biases, c + 0.2 * (h0 - h1).mean(dim=0))


def patterns(rng: np.random.Generator, images: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy images of three patterns that share no pixel."""
    labels = rng.integers(CLASSES, size=images)
    clean = np.repeat(np.eye(CLASSES), PIXELS // CLASSES, axis=1)[labels]
    noisy = np.where(rng.random(clean.shape) < 0.1, 1 - clean, clean)
    return torch.tensor(noisy, dtype=torch.float32), torch.tensor(labels)


def test_a_trained_joint_model_knows_the_label_of_what_it_has_not_seen(recipe: Recipe) -> None:
    """Chance is one third; a noisy pattern is ambiguous in some 5 of 100 images."""
    rng = np.random.default_rng(2)
    longer = replace(recipe, units=(8, 8, 8), epochs=60, minibatch_size=10)
    rbm = train_joint(longer, *patterns(rng, 300), Key(1, "joint"))
    v, labels = patterns(rng, 200)
    table = pd.DataFrame({"set": "test", "index": range(200), "label": labels.numpy().astype(str)})
    table.loc[:9, "set"] = "fit"
    found = joint_predictions(rbm, table, v)
    assert set(found["set"]) == {"test"}
    assert (found["prediction"] != found["label"]).mean() < 0.15


def test_layers_are_trained_on_the_activities_below_and_the_same_each_time(recipe: Recipe) -> None:
    v, _ = patterns(np.random.default_rng(3), 40)
    first, again = (fit_layers(recipe, v, 3, Key(1, "shared").generators) for _ in "ab")
    assert [tuple(rbm.weights.shape) for rbm in first] == [(PIXELS, 4), (4, 3), (3, 2)]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.weights, other.weights)
    (of_another_digit,) = fit_layers(recipe, v, 1, Key(1, "shared", label="1").generators)
    assert not torch.equal(of_another_digit.weights, first[0].weights)


@given(st.integers(0, 1000))
def test_units_that_tell_classes_apart_are_specific_and_others_are_not(seed: int) -> None:
    """Units that depend on nothing else have all their variance there; a constant counts not."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(5), 200)
    own = rng.standard_normal((5, 3))[labels]
    noise = rng.standard_normal((1000, 3))
    constant = np.full((1000, 1), 0.3)
    assert class_specificity(np.hstack([own, constant]), labels.astype(str)) == pytest.approx(1)
    assert class_specificity(noise, labels.astype(str)) < 0.03
    half = own[:, :1] / own[:, :1].std() + noise[:, :1] / noise[:, :1].std()
    assert class_specificity(half, labels.astype(str)) == pytest.approx(0.5, abs=0.1)
