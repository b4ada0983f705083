"""Trained RBMs as files: what is read is what was written, in any process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hpoe.errors import WeightsError
from hpoe.evaluation.fits import save_fit
from hpoe.method.classifier import Fit
from hpoe.method.rbm import RBM, EpochCurves, TrainingState, initial_state
from hpoe.method.recipe import Recipe
from hpoe.tensors import load_tensors
from hpoe.training.checkpoints import Training, load_training, save_training
from hpoe.training.weights import load_rbm, save_rbm
from hpoe_recognition.logistic import LogisticNet


def tensors(rbm: RBM) -> tuple[torch.Tensor, ...]:
    return rbm.weights, rbm.visible_biases, rbm.hidden_biases


def some_rbm(recipe: Recipe, seed: int = 0) -> RBM:
    rbm = initial_state(recipe, 1, 6, np.random.default_rng(seed)).rbm
    return replace(rbm, visible_biases=torch.rand(6), hidden_biases=torch.rand(4))


def some_training(recipe: Recipe, epochs: int = 3) -> Training:
    rng = np.random.default_rng(1)
    return Training(
        TrainingState(some_rbm(recipe), some_rbm(recipe, seed=1), epochs),
        [EpochCurves(*rng.random(5).tolist()) for _ in range(epochs)],
        [1_700_000_000_000 + epoch for epoch in range(epochs)],
        trained_in="uid.train_layer1.class3",
    )


def test_a_published_rbm_comes_back_and_is_nothing_but_itself_and_its_fingerprint(
    tmp_path: Path, recipe: Recipe
) -> None:
    rbm = some_rbm(recipe)
    save_rbm(tmp_path / "3.safetensors", rbm, "ab12")
    found = load_rbm(tmp_path / "3.safetensors")
    for part, expected in zip(tensors(found), tensors(rbm), strict=True):
        assert part.dtype == torch.float32
        assert torch.equal(part, expected)
    arrays, record = load_tensors(tmp_path / "3.safetensors", "")
    assert sorted(arrays) == ["hidden_biases", "visible_biases", "weights"]
    assert record == {"fingerprint": "ab12", "format": 1}


@pytest.mark.parametrize("epochs", [0, 3])
def test_a_checkpoint_comes_back(tmp_path: Path, recipe: Recipe, epochs: int) -> None:
    training = some_training(recipe, epochs)
    save_training(tmp_path / "state", training)
    found = load_training(tmp_path / "state")
    assert found is not None
    for kept, given in (
        (found.state.rbm, training.state.rbm),
        (found.state.increments, training.state.increments),
    ):
        assert all(map(torch.equal, tensors(kept), tensors(given)))
    assert found.state.epochs == epochs
    assert found.curves == training.curves
    assert found.timestamps == training.timestamps
    assert found.trained_in == training.trained_in


def test_a_missing_file_is_told_with_what_to_do_or_is_no_checkpoint(tmp_path: Path) -> None:
    assert load_training(tmp_path / "gone") is None
    with pytest.raises(WeightsError, match="gone is missing: run `dvc repro`"):
        load_rbm(tmp_path / "gone")


def test_a_file_of_another_kind_is_told_with_what_to_do(tmp_path: Path, recipe: Recipe) -> None:
    """A classifier is no RBM, and a published RBM is no checkpoint."""
    net, path = LogisticNet(np.zeros((3, 2)), np.zeros(2)), tmp_path / "3.safetensors"
    remedy = "delete it and run `dvc repro` to train that class again$"
    save_fit(path, Fit(net, net, 1.0, (0.0, 0.0)))
    with pytest.raises(WeightsError, match=f"^{path} is .*{remedy}"):
        load_rbm(path)
    save_rbm(path, some_rbm(recipe), "ab12")
    with pytest.raises(WeightsError, match=f"^{path} is .*{remedy}"):
        load_training(path)
