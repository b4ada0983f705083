"""A class's training: the same bytes however it is cut up, and anew only after a change."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hpoe.compute.progress import Board
from hpoe.data.split import load_class, save_class
from hpoe.errors import DataError, TrainingError, WeightsError
from hpoe.method.hierarchy import activities
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, ContrastiveDivergence, initial_state, measure
from hpoe.method.recipe import Recipe
from hpoe.params import Params
from hpoe.training import layer as training
from hpoe.training.checkpoints import Training, save_training
from hpoe.training.dispatch import train
from hpoe.training.tasks import Trained, TrainingTask, core_seconds
from hpoe.training.weights import load_rbm, save_rbm


def elsewhere(task: TrainingTask, name: str) -> TrainingTask:
    """The same task with models and store of its own."""
    return replace(
        task, models=task.models.with_name(f"models {name}"), store=task.store.with_name(name)
    )


def train_below(task: TrainingTask) -> None:
    """Train the layers that a task builds on."""
    for layer in range(1, task.layer):
        train(replace(task, layer=layer))


def change_recipe(task: TrainingTask, **changes: Any) -> TrainingTask:
    return replace(task, recipe=replace(task.recipe, **changes))


def change_images(
    task: TrainingTask, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    images = load_class(task.split, task.label)
    save_class(task.split, task.label, replace(images, **{name: change(getattr(images, name))}))


def brighter(images: NDArray[Any]) -> NDArray[Any]:
    changed = images.copy()
    changed[-1, -1, -1] ^= 1
    return changed


def by_hand(task: TrainingTask) -> tuple[RBM, list[dict[str, float]]]:
    """The whole training in one go, from the parts that are proven elsewhere."""
    images = load_class(task.split, task.label)
    data = torch.from_numpy(images.unsupervised.reshape(10, 12) / np.float32(255))
    heldout = torch.from_numpy(images.validation.reshape(2, 12) / np.float32(255))
    recipe, below, curves = task.recipe, list[RBM](), list[dict[str, float]]()
    for layer in range(1, task.layer + 1):
        key = (task.seed, task.network, layer, task.label)
        v, u = activities(below, data), activities(below, heldout)
        state = initial_state(recipe, layer, v.shape[1], generator(*key, "weights"))
        divergence = ContrastiveDivergence(state, recipe)
        curves = []
        for epoch in range(recipe.epochs):
            rng = generator(*key, "hidden states", epoch)
            error = divergence.epoch(v, rng, recipe, epoch)
            curves.append(vars(measure(state.rbm, error, v, u)).copy())
        below.append(state.rbm)
    return below[-1], curves


# What is trained


@pytest.mark.parametrize(("layer", "label"), [(1, "1"), (3, "0")])
def test_a_layer_is_trained_on_the_activities_below_with_random_numbers_of_its_own(
    task: TrainingTask, layer: int, label: str
) -> None:
    task = replace(task, layer=layer, label=label)
    train_below(task)
    trained = train(task)
    rbm, curves = by_hand(task)
    found = load_rbm(task.weights)
    for name in ("weights", "visible_biases", "hidden_biases"):
        assert torch.equal(getattr(found, name), getattr(rbm, name))
    assert list(trained.curves) == curves
    assert trained.epochs_trained == len(trained.timestamps) == 4
    assert list(trained.timestamps) == sorted(trained.timestamps)
    assert (trained.label, trained.trained_in) == (label, "first")
    assert Board(task.board).epochs(task.position) == 4


# Interrupted


class Stopped(BaseException):
    """What stands for a kill."""


def stop(monkeypatch: pytest.MonkeyPatch, after: int, *, saved: bool) -> None:
    """End training once some epochs are done, before or after they are in the checkpoint."""

    def save_and_stop(path: Path, progress: Training) -> None:
        if saved or progress.state.epochs < after:
            save_training(path, progress)
        if progress.state.epochs == after:
            raise Stopped

    monkeypatch.setattr(training, "save_training", save_and_stop)


@pytest.mark.parametrize("layer", [1, 3])
@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("after", [1, 4])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes_and_curves(
    task: TrainingTask, monkeypatch: pytest.MonkeyPatch, layer: int, after: int, saved: bool
) -> None:
    task = replace(task, layer=layer)
    whole, cut = elsewhere(task, "whole"), elsewhere(task, "cut")
    for part in (whole, cut):
        train_below(part)
    expected = train(whole)
    with monkeypatch.context() as context:
        stop(context, after, saved=saved)
        with pytest.raises(Stopped):
            train(cut)
    assert not cut.weights.exists()
    resumed = train(replace(cut, run="second"))
    assert cut.weights.read_bytes() == whole.weights.read_bytes()
    assert resumed.curves == expected.curves
    assert len(resumed.timestamps) == 4
    assert resumed.fingerprint == expected.fingerprint
    done = after if saved else after - 1
    assert resumed.epochs_trained == 4 - done
    assert resumed.trained_in == ("first" if done == 4 else "second")


@pytest.mark.parametrize(("seconds", "epochs"), [(0, [1, 2, 3, 4]), (1000, [4])])
def test_checkpoints_are_written_when_they_are_due_and_at_the_end(
    task: TrainingTask, monkeypatch: pytest.MonkeyPatch, seconds: float, epochs: list[int]
) -> None:
    saved: list[int] = []

    def noted(path: Path, progress: Training) -> None:
        saved.append(progress.state.epochs)
        save_training(path, progress)

    monkeypatch.setattr(training, "save_training", noted)
    train(replace(task, checkpoint_seconds=seconds))
    assert saved == epochs


def test_a_damaged_checkpoint_is_told_with_what_to_do(task: TrainingTask) -> None:
    trained = train(task)
    checkpoint = task.store / f"{trained.fingerprint}.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=f"{checkpoint.name} is damaged.*delete it and run"):
        train(task)


# Kept


def test_what_is_trained_already_is_kept_with_the_run_that_trained_it(task: TrainingTask) -> None:
    first = train(task)
    bytes_before = task.weights.read_bytes()
    checkpoint = task.store / f"{first.fingerprint}.safetensors"
    written = checkpoint.stat().st_mtime_ns
    again = train(replace(task, run="second"))
    assert again == replace(first, epochs_trained=0)
    assert again.trained_in == "first"
    assert task.weights.read_bytes() == bytes_before
    assert checkpoint.stat().st_mtime_ns == written


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"damaged")])
def test_a_published_file_that_is_lost_or_damaged_is_written_again_without_training(
    task: TrainingTask, harm: Callable[[Path], None]
) -> None:
    train(task)
    before = task.weights.read_bytes()
    harm(task.weights)
    Board.create(task.board, 1)
    assert train(task).epochs_trained == 0
    assert task.weights.read_bytes() == before
    assert Board(task.board).epochs(0) == 4


def test_what_was_trained_before_a_change_is_kept_when_the_change_is_taken_back(
    task: TrainingTask,
) -> None:
    first = train(task)
    other = train(replace(change_recipe(task, learning_rate=0.3), run="second"))
    assert (other.epochs_trained, other.trained_in) == (4, "second")
    back = train(replace(task, run="third"))
    assert (back.epochs_trained, back.trained_in) == (0, "first")
    assert back.curves == first.curves != other.curves


# The fingerprint


RECIPE: dict[str, object] = {
    "images": "deskewed",
    "units": (5, 3, 2),
    "epochs": 5,
    "minibatch_size": 4,
    "learning_rate": 0.3,
    "learning_rate_schedule": "constant_then_linear",
    "weight_decay": 0.02,
    "momentum": 0.7,
    "momentum_start": 6,
    "initial_standard_deviation": 0.2,
}
DO_NOT = {"split", "models", "store", "board", "position", "checkpoint_seconds", "run"}
MATTER: list[dict[str, Any]] = [
    {"seed": 2},
    {"network": "other"},
    {"passes": 2},
    {"label": "1"},
    {"device": "cuda"},
]


def test_every_field_of_a_recipe_and_of_a_task_is_tried() -> None:
    assert set(RECIPE) == {field.name for field in fields(Recipe)}
    tried = {"recipe", "layer"}.union(*MATTER)
    assert tried | DO_NOT == {field.name for field in fields(TrainingTask)}


def assert_trains_anew(task: TrainingTask, before: Trained) -> None:
    after = train(task)
    assert after.fingerprint != before.fingerprint
    assert after.epochs_trained == task.recipe.epochs


def test_a_change_of_any_hyperparameter_trains_anew(task: TrainingTask) -> None:
    before = train(task)
    for name, value in RECIPE.items():
        assert_trains_anew(change_recipe(task, **{name: value}), before)


def test_another_seed_network_class_device_layer_or_version_trains_anew(
    task: TrainingTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on the same images: the random numbers are a class's own."""
    task = change_recipe(task, units=(4, 4, 4))
    before = train(task)
    save_class(task.split, "1", load_class(task.split, "0"))
    for change in (*MATTER, {"layer": 2}):
        assert_trains_anew(replace(task, **change), before)
    monkeypatch.setattr(training, "VERSION", training.VERSION + 1)
    assert_trains_anew(task, before)


@pytest.mark.parametrize("name", ["unsupervised", "validation"])
def test_a_pixel_of_the_images_that_train_or_are_measured_or_their_number_trains_anew(
    task: TrainingTask, name: str
) -> None:
    before, other, images = train(task), replace(task, label="1"), load_class(task.split, "0")
    train(other)
    change_images(task, name, brighter)
    assert_trains_anew(task, before)
    assert train(other).epochs_trained == 0
    together = np.concatenate([images.unsupervised, images.validation])  # now cut elsewhere
    moved = replace(images, unsupervised=together[:9], validation=together[9:])
    save_class(task.split, "0", moved)
    assert_trains_anew(task, before)


def test_a_bit_of_a_lower_layer_trains_anew(task: TrainingTask) -> None:
    task = replace(task, layer=3)
    train_below(task)
    before = train(task)
    path = replace(task, layer=1).weights
    rbm = load_rbm(path)
    rbm.hidden_biases[0] = torch.nextafter(rbm.hidden_biases[0], torch.tensor(9.0))
    save_rbm(path, rbm, "changed by hand")
    assert_trains_anew(task, before)


def test_what_does_not_train_does_not_matter(task: TrainingTask) -> None:
    before = train(task)
    for name in ("fit", "test", "fit_index", "unsupervised_index"):
        change_images(task, name, lambda array: array[::-1])
    assert train(change_recipe(task, units=(4, 50, 60))) == replace(before, epochs_trained=0)


def test_folders_runs_and_seconds_between_checkpoints_do_not_matter(
    task: TrainingTask, tmp_path: Path
) -> None:
    before = train(task)
    path = task.weights
    (tmp_path / "moved").mkdir()
    for folder in ("split", "models", "store", "board"):
        (tmp_path / folder).rename(tmp_path / "moved" / folder)
    moved = {name: tmp_path / "moved" / name for name in ("split", "models", "store", "board")}
    again = replace(task, **moved, checkpoint_seconds=77, run="second")  # type: ignore[arg-type]
    assert train(again) == replace(before, epochs_trained=0)
    anew = train(replace(again, store=tmp_path / "fresh"))
    assert (anew.epochs_trained, anew.fingerprint) == (4, before.fingerprint)
    assert anew.curves == before.curves
    assert not path.exists()


# The same bytes whatever runs beside


def test_the_number_of_threads_does_not_change_the_bytes(
    task: TrainingTask, params: Params
) -> None:
    """Layers as wide as the default's, so that two threads would share the products."""
    recipe = replace(params.networks["default"].recipe, epochs=2, minibatch_size=10)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        part = elsewhere(replace(task, recipe=recipe), f"{threads} threads")
        train(part)
        assert torch.get_num_threads() == 1
        found.append(part.weights.read_bytes())
    assert found[0] == found[1]


# What is missing


def test_missing_images_or_a_missing_lower_layer_are_told(task: TrainingTask) -> None:
    with pytest.raises(DataError, match=r"7\.safetensors is missing.*run `dvc repro split`"):
        train(replace(task, label="7"))
    with pytest.raises(WeightsError, match=r"layer1/0\.safetensors is missing: run `dvc repro`"):
        train(replace(task, layer=2))


# How long training takes


def test_a_pause_and_slow_epochs_do_not_count() -> None:
    durations = [50] * 30 + [90] * 20 + [3_600_000]
    ends = [sum(durations[:count]) for count in range(len(durations) + 1)]
    assert core_seconds(ends) == 52 * 50 / 1000


def test_a_single_epoch_has_no_duration() -> None:
    assert core_seconds([17]) == 0


@pytest.mark.parametrize("layer", [1, 2])
def test_a_layer_that_is_not_finite_stops_at_once_and_names_class_and_epoch(
    task: TrainingTask, layer: int
) -> None:
    """With weight decay alone: the weights change their sign and grow at every update."""
    train_below(replace(task, layer=layer))
    diverging = change_recipe(replace(task, layer=layer), learning_rate=1e20, weight_decay=1.0)
    kept = set(task.store.glob("*"))
    with pytest.raises(TrainingError, match=f"layer {layer} of tiny, class '0', .* after epoch 1:"):
        train(diverging)
    assert set(task.store.glob("*")) == kept
    assert not diverging.weights.exists()
