"""A clone of this repository in which a small pipeline runs: few real images, tiny networks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.project import SMALL, Project, copy_working_tree


def new_project(root: Path, mnist_dir: Path) -> Project:
    """A fresh clone of the working tree, with small params committed; nothing has run in it."""
    copy_working_tree(root)
    programs = Path(sys.executable).parent
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root / "src"),
        "HPOE_MNIST_DIR": str(mnist_dir),
        "HPOE_WORKERS": "1",  # a worker that imports PyTorch takes longer than to train so little
        "MLFLOW_TRACKING_URI": "",
        "SHELL": "/bin/sh",  # which may stay between dvc and a stage, as bash does not
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }
    small = Project(root, environment)
    small.write_params(SMALL)
    small.run("git", "init", "--quiet", "--initial-branch=main")
    small.run("git", "add", "--all")
    small.run("git", "commit", "--quiet", "--message=start")
    return small


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Iterator[Project]:
    """A fresh clone in a folder of its own."""
    root = tmp_path_factory.mktemp("project") / "hpoe"
    yield new_project(root, mnist_dir)
    shutil.rmtree(root.parent)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree, built in a copy, where nothing of earlier builds is left."""
    folder = tmp_path_factory.mktemp("wheel")
    copy_working_tree(folder / "clone")
    command = ["wheel", "--no-deps", "--wheel-dir", str(folder), str(folder / "clone")]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *command], check=True)
    (built,) = folder.glob("hpoe-*.whl")
    return built
