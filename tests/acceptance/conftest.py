"""The champion and the split of the last `make repro`, served by a real process."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hpoe.data.split import labels_in, load_class
from tests.serving.running import Server

ROOT = Path(__file__).parents[2]
SPLIT = ROOT / "data" / "split"


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the champion of this working tree."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT}/mlruns/mlflow.db"
    server = Server(tmp_path_factory.mktemp("champion"), store)
    yield server.start("--workers", "2")
    server.kill()


@pytest.fixture(scope="session")
def test_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The official test images in the order of the evaluation's tables, and their labels."""
    parts = {digit: load_class(SPLIT, digit).test for digit in labels_in(SPLIT)}
    labels = np.repeat(list(parts), [len(images) for images in parts.values()])
    return np.concatenate(list(parts.values())), labels
