"""Digests of the installed code: one per stage, which change with the code of that stage alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hpoe.errors import DataError
from hpoe.project.code import SOURCES, code_digests

ROOT = Path(__file__).parents[3]
STAGES = json.loads(SOURCES.read_text())


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hpoe as it is installed, without what Python writes."""
    folder = tmp_path_factory.mktemp("installed")
    for package in ("hpoe", "hpoe_recognition"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src" / package, folder / package, ignore=ignored)
    return folder


@pytest.fixture
def installed(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(original, tmp_path / "installed")
    return tmp_path / "installed"


def changed_by(installed: Path, change: Callable[[], object]) -> set[str]:
    """The stages whose digests a change changes."""
    before = code_digests(installed)
    change()
    after = code_digests(installed)
    assert list(before) == list(after) == list(STAGES)
    return {stage for stage in STAGES if before[stage] != after[stage]}


def append(path: Path) -> None:
    """Change a file."""
    path.write_text(f"{path.read_text()}# changed\n")


def test_the_digests_do_not_depend_on_the_place(original: Path, installed: Path) -> None:
    assert code_digests(original) == code_digests(installed) == code_digests()


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("hpoe/pipelines/split.py", {"split"}),
        ("hpoe/pipelines/train_layer.py", {"train_layer1", "train_layer2", "train_layer3"}),
        ("hpoe/registration/refusal.py", {"register"}),
        ("hpoe_recognition/logistic.py", None),
        ("hpoe/method/rbm.py", None),
        ("hpoe/cli.py", set()),
        ("hpoe/serving/app.py", set()),
        ("hpoe/tracking/store.py", set()),
    ],
)
def test_a_changed_file_changes_the_digests_of_the_stages_that_depend_on_it(
    installed: Path, file: str, stages: set[str] | None
) -> None:
    listed = {
        stage
        for stage, sources in STAGES.items()
        if any(file == source or file.startswith(f"{source}/") for source in sources)
    }
    assert stages is None or listed == stages
    assert changed_by(installed, lambda: append(installed / file)) == listed


def test_a_new_a_renamed_and_a_removed_file_change_the_digests(installed: Path) -> None:
    new, renamed = installed / "hpoe/method/new.py", installed / "hpoe/method/renamed.py"
    expected = {stage for stage, sources in STAGES.items() if "hpoe/method" in sources}
    assert changed_by(installed, lambda: new.write_text("")) == expected
    assert changed_by(installed, lambda: new.rename(renamed)) == expected
    assert changed_by(installed, renamed.unlink) == expected


def test_what_python_writes_and_when_a_file_was_written_changes_nothing(installed: Path) -> None:
    def compile_and_touch() -> None:
        (installed / "hpoe/method/__pycache__").mkdir()
        (installed / "hpoe/method/__pycache__/rbm.cpython-311.pyc").write_bytes(b"code")
        os.utime(installed / "hpoe/method/rbm.py", (0, 0))

    assert changed_by(installed, compile_and_touch) == set()


def test_a_file_that_is_missing_is_told(installed: Path) -> None:
    (installed / "hpoe/pipelines/split.py").unlink()
    with pytest.raises(DataError, match=r"split\.py is missing: install hpoe again"):
        code_digests(installed)


@pytest.mark.parametrize(("restoring", "content"), [("false", None), ("true", '{"split": "run"}')])
def test_the_stage_writes_the_digests_unless_a_run_is_being_restored(
    tmp_path: Path, restoring: str, content: str | None
) -> None:
    (tmp_path / "code.json").write_text('{"split": "run"}')
    environment = {**os.environ, "HPOE_RESTORE_ONLY": restoring}
    command = [sys.executable, "-m", "hpoe.project.code"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    expected = json.loads(content) if content else code_digests()
    assert json.loads((tmp_path / "code.json").read_text()) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["code.json"]


def test_the_stage_that_always_runs_loads_none_of_the_heavy_libraries() -> None:
    code = "import sys, hpoe.project.code;"
    code += "print({'torch', 'pandas', 'sklearn', 'mlflow', 'dvc'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
