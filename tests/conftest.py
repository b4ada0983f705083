"""What all tests share: the real MNIST, and MLflow's addresses put back."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpoe.data.mnist import Mnist, fetch, load
from hpoe.settings import load_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_addresses() -> Iterator[None]:
    """MLflow writes its addresses into the environment, which later tests must not find.

    Nor what fixtures of a wider scope made it write before: so nothing is put back.
    """
    addresses = dict.fromkeys(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"), "")
    os.environ.update(addresses)
    yield
    os.environ.update(addresses)


@pytest.fixture(scope="session")
def mnist_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real MNIST, from where the download stage would take it, or from its output here."""
    raw = ROOT / "data" / "raw"
    if not raw.is_dir():
        raw = tmp_path_factory.mktemp("mnist")
    fetch(raw, load_settings().mnist_dir, print)
    return raw


@pytest.fixture(scope="session")
def mnist(mnist_dir: Path) -> Mnist:
    """All of its images and labels."""
    return load(mnist_dir)
