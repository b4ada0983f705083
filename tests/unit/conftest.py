"""Fixtures of the unit tests: the committed params, tiny RBMs and images."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from hpoe.compute.progress import Board
from hpoe.data.division import save_split
from hpoe.data.intake import Intake
from hpoe.method.recipe import Recipe
from hpoe.params import Params, Split, load_params
from hpoe.training.tasks import TrainingTask

REPOSITORY = Path(__file__).parents[2]

# The same examples on every machine, without a deadline: the first call of torch takes seconds.
settings.register_profile("hpoe", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("hpoe")


def pytest_configure() -> None:
    """Let libraries use one thread, as training does: two test processes share the cores."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def params() -> Params:
    """The committed params.yaml."""
    return load_params(REPOSITORY / "params.yaml")


@pytest.fixture
def recipe() -> Recipe:
    """A recipe that trains in milliseconds, with momentum and a partial last minibatch."""
    return Recipe(
        images="as_given",
        units=(4, 3, 2),
        epochs=4,
        minibatch_size=3,
        learning_rate=0.2,
        learning_rate_schedule="constant",
        weight_decay=0.01,
        momentum=0.8,
        momentum_start=5,
        initial_standard_deviation=0.1,
    )


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """A split of digits 0 and 1: 10 unsupervised, 2 fit, 2 validation and 3 test images of each.

    Images have 3 rows of 4 random pixels.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (34, 3, 4), dtype=np.uint8)
    intake = Intake(images, ["0", "1"] * 17, is_test=np.arange(34) >= 28)
    sizes = Split(
        classes="all",
        unsupervised_per_class=10,
        supervised_per_class=4,
        test="official",
        test_images=6,
        shuffle=False,
    )
    save_split(tmp_path / "split", intake, sizes, seed=1)
    return tmp_path / "split"


@pytest.fixture
def task(tmp_path: Path, split_folder: Path, recipe: Recipe) -> TrainingTask:
    """The training of layer 1 of digit 0 of a tiny network."""
    Board.create(tmp_path / "board", 2)
    return TrainingTask(
        network="tiny",
        recipe=recipe,
        passes=1,
        layer=1,
        label="0",
        position=0,
        seed=1,
        split=split_folder,
        models=tmp_path / "models",
        store=tmp_path / "store",
        board=tmp_path / "board",
        checkpoint_seconds=0,
        run="first",
    )
