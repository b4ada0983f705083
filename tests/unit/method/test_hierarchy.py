"""Three RBMs one above the other: the same as one after the other, and the paper's counts."""

from itertools import pairwise

import numpy as np
import torch
from scipy.special import expit

from hpoe.evaluation.scoring import LAYERS
from hpoe.method.hierarchy import layer_goodness
from hpoe.method.rbm import RBM, initial_state
from hpoe.params import Params


def some_hierarchy(sizes: tuple[int, ...], seed: int = 0) -> list[RBM]:
    rng = np.random.default_rng(seed)
    return [
        RBM(*(torch.from_numpy(rng.normal(size=shape)) for shape in ((v, h), v, h)))
        for v, h in pairwise(sizes)
    ]


def some_images(count: int, visible: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).random((count, visible)))


def test_goodness_of_a_layer_is_taken_at_the_expected_activities_of_the_layer_below() -> None:
    hierarchy, v = some_hierarchy((6, 5, 4, 3)), some_images(20, 6)
    found = layer_goodness(hierarchy, v).numpy()
    assert found.shape == (20, 3)
    assert found.dtype == np.float64
    x = v.numpy()
    for layer, rbm in enumerate(hierarchy):
        w, b, c = rbm.weights.numpy(), rbm.visible_biases.numpy(), rbm.hidden_biases.numpy()
        expected = x @ b + np.log1p(np.exp(c + x @ w)).sum(axis=1)
        np.testing.assert_allclose(found[:, layer], expected, rtol=1e-12)
        x = expit(c + x @ w)


def test_500_units_have_as_many_parameters_as_the_paper_counts(params: Params) -> None:
    """The paper counts the biases between two layers once; here each RBM keeps its own."""
    recipe, visible, count, between = params.networks["h500"].recipe, 28 * 28, 0, 0
    for layer in LAYERS:
        rbm = initial_state(recipe, layer, visible, np.random.default_rng(0)).rbm
        parts = (rbm.weights, rbm.visible_biases, rbm.hidden_biases)
        count += sum(part.numel() for part in parts)
        between += 0 if layer == 1 else len(rbm.visible_biases)
        visible = len(rbm.hidden_biases)
    assert 10 * count == 8_952_840
    assert 10 * (count - between) == 8_942_840
