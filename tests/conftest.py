"""What all tests share: the real MNIST, MLflow's addresses reset, a line on missing programs."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpoe.data.mnist import Mnist, fetch, load
from hpoe.settings import load_settings
from tests.programs import summary


def pytest_configure() -> None:
    """Let Ctrl-C reach what the tests start, even where a shell ignores it for background jobs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_addresses() -> Iterator[None]:
    """Clear the addresses that MLflow writes into the environment, before and after each test.

    They are not restored: a fixture of a wider scope may have written what would be restored.
    """
    addresses = dict.fromkeys(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"), "")
    os.environ.update(addresses)
    yield
    os.environ.update(addresses)


@pytest.fixture(scope="session")
def mnist_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real MNIST: from the working tree what is whole there, the rest as `download` does it."""
    raw = tmp_path_factory.mktemp("mnist")
    here = Path(__file__).parents[1] / "data" / "raw"
    if here.is_dir():
        shutil.copytree(here, raw, dirs_exist_ok=True)
    fetch(raw, load_settings().mnist_dir, print)
    return raw


@pytest.fixture(scope="session")
def mnist(mnist_dir: Path) -> Mnist:
    """All images and labels of MNIST."""
    return load(mnist_dir)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Name the missing Debian packages at the end, and count the tests skipped for them."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    terminalreporter.write_line(summary([str(report.longrepr) for report in skipped]))
