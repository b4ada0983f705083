"""All digits at once, by the code that runs on a GPU, here on the CPU, against one at a time."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hpoe.compute.progress import Board
from hpoe.data.split import load_class, save_class
from hpoe.errors import SettingsError, TrainingError, WorkerError
from hpoe.method.randomness import uniform_minibatches
from hpoe.method.rbm import (
    ContrastiveDivergence,
    EpochCurves,
    TrainingState,
    initial_state,
    measure,
)
from hpoe.method.recipe import Recipe, Schedule
from hpoe.settings import Settings
from hpoe.training import gpu as batched
from hpoe.training.checkpoints import Training, save_training
from hpoe.training.dispatch import find_device, train, train_all
from hpoe.training.gpu import BatchedDivergence, train_together
from hpoe.training.tasks import Trained, TrainingTask
from hpoe.training.weights import load_rbm

DIGITS, IMAGES, VISIBLE, HIDDEN = 3, 23, 12, 8
PARTS = ("weights", "visible_biases", "hidden_biases")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # as training does: these products are too small to share


def states(recipe: Recipe, digits: int = DIGITS) -> list[TrainingState]:
    """Untrained states of some digits, each of its own."""
    return [
        initial_state(recipe, 1, VISIBLE, np.random.default_rng(digit)) for digit in range(digits)
    ]


def assert_agree(found: TrainingState, expected: TrainingState) -> None:
    """Within the noise of float32: its sums differ in the order of their terms."""
    for name in ("rbm", "increments"):
        for part in PARTS:
            pair = (getattr(getattr(each, name), part) for each in (found, expected))
            torch.testing.assert_close(*pair, rtol=2e-4, atol=1e-4)


def some(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.random(shape, np.float32))


# The reference, one digit at a time


@pytest.mark.parametrize("schedule", ["constant", "constant_then_linear"])
@pytest.mark.parametrize("minibatch", [1, 5, 40])
def test_epochs_and_curves_are_the_references(
    recipe: Recipe, schedule: Schedule, minibatch: int
) -> None:
    """With the reference's own random numbers: 2,208 of them, of which rounding would decide one
    otherwise in fewer than 1 of 1,000 such tests."""
    recipe = replace(
        recipe,
        units=(HIDDEN, 1, 1),
        minibatch_size=minibatch,
        learning_rate_schedule=schedule,
    )
    rng, references = np.random.default_rng(1), states(recipe)
    data, heldout = some(rng, DIGITS, IMAGES, VISIBLE), some(rng, DIGITS, 4, VISIBLE)
    together = BatchedDivergence(states(recipe), recipe, "cpu")
    for epoch in range(recipe.epochs):
        seeds = [100 * epoch + digit for digit in range(DIGITS)]
        drawn = torch.empty(DIGITS, IMAGES, HIDDEN)
        for random, row in zip(map(np.random.default_rng, seeds), drawn, strict=True):
            parts = torch.split(row, minibatch)
            uniform = uniform_minibatches(random, len(parts), (minibatch, HIDDEN))
            for part, numbers in zip(parts, uniform, strict=True):
                part.copy_(numbers[: len(part)])
        errors = together.epoch(data, drawn, epoch)
        points = together.measure(errors, data[:, :7], heldout)
        for digit, state in enumerate(references):
            one, random = ContrastiveDivergence(state, recipe), np.random.default_rng(seeds[digit])
            error = one.epoch(data[digit], random, recipe, epoch)
            assert_near(points[digit], measure(state.rbm, error, data[digit, :7], heldout[digit]))
    for found, reference in zip(together.states(4), references, strict=True):
        assert_agree(found, reference)
        assert found.epochs == 4


def assert_near(found: EpochCurves, expected: EpochCurves) -> None:
    assert list(vars(found).values()) == pytest.approx(
        list(vars(expected).values()), rel=1e-4, abs=1e-6
    )


@pytest.mark.slow
def test_with_its_own_random_numbers_what_is_learned_is_as_good(recipe: Recipe) -> None:
    """80 RBMs trained together against 80 one at a time, on the same images: means of both errors
    and goodnesses, held out too, within 5 standard errors; a right sampler fails once in 10^5."""
    count = 80
    recipe = replace(recipe, units=(HIDDEN, 1, 1), epochs=30, minibatch_size=5)
    rng = np.random.default_rng(2)
    patterns = some(rng, 4, VISIBLE).round()
    data, heldout = patterns.repeat(10, 1), (patterns - some(rng, 4, VISIBLE) / 5).abs()
    together = BatchedDivergence(states(recipe, count), recipe, "cpu")
    uniform = torch.empty(count, len(data), HIDDEN)
    generator = torch.Generator().manual_seed(0)
    for epoch in range(recipe.epochs):
        errors = together.epoch(
            data.expand(count, -1, -1), uniform.uniform_(generator=generator), epoch
        )
    points = together.measure(errors, data.expand(count, -1, -1), heldout.expand(count, -1, -1))
    reference = []
    for state in states(recipe, count):
        divergence = ContrastiveDivergence(state, recipe)
        for epoch in range(recipe.epochs):
            error = divergence.epoch(data, rng, recipe, epoch)
        reference.append(measure(state.rbm, error, data, heldout))
    for name in ("reconstruction_error", "goodness_train", "goodness_heldout"):
        ours, theirs = (np.array([getattr(p, name) for p in each]) for each in (points, reference))
        standard_error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / count)
        assert abs(ours.mean() - theirs.mean()) < 5 * standard_error
        assert standard_error < 0.1 * abs(theirs.mean())


# Tasks


@pytest.fixture
def layer(task: TrainingTask) -> list[TrainingTask]:
    """Layer 1 of two digits of a tiny network, for a GPU."""
    return [replace(task, label=str(at), position=at, device="cuda") for at in (0, 1)]


def changed(given: list[TrainingTask], **changes: object) -> list[TrainingTask]:
    return [replace(task, **changes) for task in given]  # type: ignore[arg-type]


def train_here(layer: list[TrainingTask]) -> dict[str, Trained]:
    """Train on the CPU by the code for a GPU."""
    return {trained.label: trained for trained in train_together(layer, "cpu")}


def published(layer: list[TrainingTask]) -> list[bytes]:
    return [task.weights.read_bytes() for task in layer]


def test_each_layer_is_trained_with_curves_times_and_progress(layer: list[TrainingTask]) -> None:
    for number, shape in enumerate(((12, 4), (4, 3), (3, 2)), start=1):
        found = train_here(tasks := changed(layer, layer=number))
        for task in tasks:
            trained, rbm = found[task.label], load_rbm(task.weights)
            assert trained.epochs_trained == len(trained.curves) == len(trained.timestamps) == 4
            assert trained.trained_in == "first"
            assert list(trained.timestamps) == sorted(trained.timestamps)
            assert Board(task.board).epochs(task.position) == 4
            assert rbm.weights.shape == shape
            norm = float(torch.linalg.vector_norm(rbm.weights))
            assert trained.curves[-1]["weight_norm"] == pytest.approx(norm)


def test_what_is_trained_begins_as_on_the_cpu_and_comes_out_alike(
    layer: list[TrainingTask], tmp_path: Path
) -> None:
    """Ten images a digit and four epochs: what both have learned is mostly the mean image."""
    found = train_here(layer)
    for task in layer:
        one = train(replace(task, device="cpu", models=tmp_path / "one", store=tmp_path / "one"))
        for ours, theirs in zip(found[task.label].curves, one.curves, strict=True):
            for name, value in ours.items():
                assert value == pytest.approx(theirs[name], rel=0.15)
        assert one.fingerprint != found[task.label].fingerprint


def test_the_same_tasks_give_the_same_bytes(layer: list[TrainingTask], tmp_path: Path) -> None:
    """And two digits of the same images others: their random numbers are their own."""
    save_class(layer[0].split, "1", load_class(layer[0].split, "0"))
    again = changed(layer, models=tmp_path / "again", store=tmp_path / "again")
    first, second = train_here(layer), train_here(again)
    assert published(layer) == published(again)
    assert [first[d].curves for d in "01"] == [second[d].curves for d in "01"]
    assert first["0"].curves != first["1"].curves
    other = changed(again, seed=2)
    train_here(other)
    assert published(layer) != published(other)


def test_what_is_trained_is_kept_and_only_the_rest_is_trained(layer: list[TrainingTask]) -> None:
    (first,) = train_here(layer[:1]).values()
    found = train_here(changed(layer, run="second"))
    assert found["0"] == replace(first, epochs_trained=0)
    assert (found["1"].epochs_trained, found["1"].trained_in) == (4, "second")
    assert [t.epochs_trained for t in train_here(layer).values()] == [0, 0]


class Stopped(BaseException):
    """What stands for a kill."""


@pytest.mark.parametrize("written", [1, 4, 7])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes_and_curves(
    layer: list[TrainingTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Two files a checkpoint: stopped after an odd number of them, the digits go on from different
    epochs, each by itself."""
    cut = changed(layer, models=tmp_path / "cut", store=tmp_path / "cut")
    expected, count = train_here(layer), 0

    def save_and_stop(path: Path, training: Training) -> None:
        nonlocal count
        save_training(path, training)
        count += 1
        if count == written:
            raise Stopped

    with monkeypatch.context() as context:
        context.setattr(batched, "save_training", save_and_stop)
        with pytest.raises(Stopped):
            train_here(cut)
    resumed = train_here(changed(cut, run="second"))
    assert resumed["0"].epochs_trained == 4 - (written + 1) // 2
    assert resumed["1"].epochs_trained == 4 - written // 2
    assert resumed["1"].trained_in == "second"
    for digit, trained in resumed.items():
        assert trained.fingerprint == expected[digit].fingerprint
        for ours, theirs in zip(trained.curves, expected[digit].curves, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5)
    if written % 2 == 0:  # the same digits together: the same products
        assert published(cut) == published(layer)


def test_a_gpu_that_is_too_small_is_told_with_what_to_do(
    layer: list[TrainingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")

    monkeypatch.setattr(batched, "_run_epochs", full)
    with pytest.raises(WorkerError, match="2 classes of 10 images do not fit into the GPU"):
        train_here(layer)


# Which device


def test_the_device_is_the_one_asked_for_or_told_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu, cuda, auto = (Settings.model_construct(device=name) for name in ("cpu", "cuda", "auto"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [find_device(asked) for asked in (cpu, cuda, auto)] == ["cpu", "cuda", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device(auto) == "cpu"
    with pytest.raises(SettingsError, match=r"HPOE_DEVICE is cuda, but PyTorch .* finds no GPU: "):
        find_device(cuda)


@pytest.mark.parametrize(("device", "epochs"), [("cpu", [0, 0]), ("cuda", [4, 4])])
def test_tasks_go_where_their_device_is(
    layer: list[TrainingTask], monkeypatch: pytest.MonkeyPatch, device: str, epochs: list[int]
) -> None:
    """Those of cores have been trained before, those of a GPU have not."""
    for task in changed(layer, device="cpu"):
        train(task)
    monkeypatch.setattr(batched, "train_together", partial(train_together, device="cpu"))
    found = train_all(changed(layer, device=device), Settings.model_construct(workers=1))
    assert [trained.epochs_trained for trained in found] == epochs


def test_a_layer_that_is_not_finite_stops_at_once(layer: list[TrainingTask]) -> None:
    recipe = replace(layer[0].recipe, learning_rate=1e20, weight_decay=1.0)
    with pytest.raises(TrainingError, match="class '0', is no longer finite after epoch 1"):
        train_here(changed(layer, recipe=recipe))
    assert not list(layer[0].store.glob("*"))
