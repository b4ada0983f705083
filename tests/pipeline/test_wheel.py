"""The wheel in an environment of its own, with the core's dependencies alone."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.pipeline.extras import installed
from tests.pipeline.project import copy_working_tree

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment in which only the wheel was installed."""
    return installed(str(wheel), tmp_path_factory.mktemp("core"))


def run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder outside the clone."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)


def python_block(document: Path, heading: str) -> str:
    """The first block of Python after a heading of a document."""
    text = document.read_text().partition(heading)[2]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block.group(1)


def test_the_library_lines_of_the_readme_run_where_only_the_core_is_installed(
    environment: Path, tmp_path: Path
) -> None:
    code = python_block(ROOT / "README.md", "## Use it from Python")
    check = "\nimport sys\nassert not {'mlflow', 'dvc', 'matplotlib', 'pandas'} & set(sys.modules)"
    shown = "\nprint(model.score(X, y) > 0.97, float(log_z) > 0)"
    done = run([str(environment / "python"), "-c", code + check + shown], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True True\n"


def test_the_commands_say_what_to_install(environment: Path, tmp_path: Path) -> None:
    done = run([str(environment / "hpoe"), "models"], tmp_path)
    assert done.returncode == 1
    assert "run `pip install 'hpoe[pipeline,serve]'`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_the_stages_are_modules_of_the_package_that_is_installed(
    wheel: Path, tmp_path: Path, how: str
) -> None:
    """Of a wheel and of a clone that is installed for editing, without any dependency."""
    clone = tmp_path / "clone"
    if how == "editable":
        copy_working_tree(clone)
    options = [str(wheel)] if how == "wheel" else ["--editable", str(clone)]
    programs = installed("--no-deps", tmp_path, *options)
    code = "import importlib.util as u; print(u.find_spec('hpoe.pipelines.train_layer').origin)"
    done = run([str(programs / "python"), "-c", code], tmp_path)
    place = clone if how == "editable" else tmp_path / "venv"
    assert Path(done.stdout.strip()).is_relative_to(place), done.stderr
    stages = sorted(path.name for path in (ROOT / "pipelines").glob("*.py"))
    assert sorted(path.name for path in Path(done.stdout.strip()).parent.glob("*.py")) == stages


def test_importing_the_package_loads_none_of_its_dependencies(
    environment: Path, tmp_path: Path
) -> None:
    """In less than 0.1 s; the best of five, as other work may share the machine."""
    code = (
        "import sys, time; start = time.perf_counter(); import hpoe;"
        "print(time.perf_counter() - start, 'numpy' in sys.modules, hpoe.__version__)"
    )
    found = [run([str(environment / "python"), "-c", code], tmp_path).stdout for _ in range(5)]
    seconds, loaded, version = min(found).split()
    assert float(seconds) < 0.1
    assert loaded == "False"
    assert version == "0.1.0"
