"""What all tests share: the real MNIST, and MLflow's addresses put back."""

from pathlib import Path

import pytest

from hpoe.data.mnist import Mnist, fetch, load
from hpoe.settings import load_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow writes its addresses into the environment, which later tests must not find."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")


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
