"""Trained RBMs as files: what is read is what was written, in any process."""

import subprocess
import sys
from collections.abc import Callable
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
from hpoe.training.tasks import weights_path
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
        trained_in="uid.train_layer1.digit3",
    )


def test_each_digits_layer_has_a_file_of_its_own() -> None:
    assert weights_path(Path("models"), "h25", 2, 7) == Path("models/h25/layer2/7.safetensors")


def test_a_published_rbm_comes_back(tmp_path: Path, recipe: Recipe) -> None:
    rbm = some_rbm(recipe)
    save_rbm(tmp_path / "3.safetensors", rbm, "fingerprint")
    found = load_rbm(tmp_path / "3.safetensors")
    for part, expected in zip(tensors(found), tensors(rbm), strict=True):
        assert part.dtype == torch.float32
        assert torch.equal(part, expected)


def test_a_published_rbm_is_weights_and_biases_and_the_fingerprint_alone(
    tmp_path: Path, recipe: Recipe
) -> None:
    save_rbm(tmp_path / "3.safetensors", some_rbm(recipe), "ab12")
    arrays, record = load_tensors(tmp_path / "3.safetensors", "")
    assert sorted(arrays) == ["hidden_biases", "visible_biases", "weights"]
    assert record == {"fingerprint": "ab12", "format": 1}


@pytest.mark.parametrize("epochs", [0, 1, 3])
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


def test_a_checkpoint_can_be_trained_on(tmp_path: Path, recipe: Recipe) -> None:
    """What is loaded is not a view of the file: updates in place change no other part of it."""
    save_training(tmp_path / "state", some_training(recipe))
    before = (tmp_path / "state").read_bytes()
    found = load_training(tmp_path / "state")
    assert found is not None
    for part in (*tensors(found.state.rbm), *tensors(found.state.increments)):
        part.add_(1)
    assert (tmp_path / "state").read_bytes() == before


def test_where_there_is_no_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert load_training(tmp_path / "gone") is None


def test_saving_leaves_a_training_as_it_was(tmp_path: Path, recipe: Recipe) -> None:
    torch.manual_seed(0)
    training = some_training(recipe)
    torch.manual_seed(0)
    same = some_training(recipe)
    save_training(tmp_path / "state", training)
    assert all(map(torch.equal, tensors(training.state.rbm), tensors(same.state.rbm)))
    assert training.curves == same.curves


@pytest.mark.slow
def test_equal_trainings_give_equal_bytes_in_any_process(tmp_path: Path, recipe: Recipe) -> None:
    save_training(tmp_path / "state", some_training(recipe))
    save_rbm(tmp_path / "rbm", load_rbm(tmp_path / "state"), "ab12")
    code = (
        "import sys; from pathlib import Path\n"
        "from hpoe.training.checkpoints import load_training, save_training\n"
        "from hpoe.training.weights import load_rbm, save_rbm\n"
        "here, there = map(Path, sys.argv[1:])\n"
        "save_training(there / 'state', load_training(here / 'state'))\n"
        "save_rbm(there / 'rbm', load_rbm(here / 'rbm'), 'ab12')\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "there")]
    subprocess.run(arguments, env={"PYTHONHASHSEED": "7"}, check=True)
    for name in ("state", "rbm"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_missing_file_is_told_with_what_to_do_or_is_no_checkpoint(tmp_path: Path) -> None:
    assert load_training(tmp_path / "gone") is None
    with pytest.raises(WeightsError, match="gone is missing: run `dvc repro`"):
        load_rbm(tmp_path / "gone")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_another_format(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 9'))


def a_classifier(path: Path) -> None:
    """A file of hpoe's, but of another kind."""
    net = LogisticNet(np.zeros((3, 2)), np.zeros(2))
    save_fit(path, Fit(net, net, 1.0, (0.0, 0.0)))


def a_published_rbm(path: Path) -> None:
    """Weights without the increments and curves of a training."""
    save_rbm(path, load_rbm(path), "ab12")


DAMAGES: list[Callable[[Path], None]] = [cut_short, empty, of_another_format, a_classifier]


@pytest.mark.parametrize(
    ("load", "damage"),
    [
        *((load_rbm, damage) for damage in DAMAGES),
        *((load_training, damage) for damage in (*DAMAGES, a_published_rbm)),
    ],
)
def test_a_damaged_file_is_told_with_what_to_do(
    tmp_path: Path,
    recipe: Recipe,
    load: Callable[[Path], object],
    damage: Callable[[Path], None],
) -> None:
    """A published RBM, or a checkpoint."""
    path = tmp_path / "3.safetensors"
    if load is load_rbm:
        save_rbm(path, some_rbm(recipe), "ab12")
    else:
        save_training(path, some_training(recipe))
    damage(path)
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("delete it and run `dvc repro` to train that digit again")
