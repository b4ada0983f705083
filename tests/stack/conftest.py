"""One stack for all tests of this folder: built once, destroyed at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import project as project
from tests.processes import free_port
from tests.stack.engine import ROOT, build_arguments, compose, engine
from tests.stack.running import Stack, clone
from tests.stack.services import services as services


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Iterator[Stack]:
    """The stack, built and configured; nothing runs yet."""
    folder = tmp_path_factory.mktemp("stack")
    folder.parent.chmod(0o755)
    log = ROOT / "reports" / "stack.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("")
    with engine(folder), build_arguments() as environment:
        clone(folder / "hpoe", mnist_dir)
        stack = Stack(folder / "hpoe", compose(), free_port(), log, environment)
        stack.configure()
        stack.run("--profile", "pipeline", "build", timeout=3600)
        try:
            yield stack
        finally:
            stack.run("logs", "--no-color", expect=None)
            stack.run("--profile", "pipeline", "down", "--volumes", expect=None)
