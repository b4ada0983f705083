"""`hpoe checkout` of a run in a repository of git and DVC with one quick stage: all or nothing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpoe.params import load_params
from hpoe.tracking.git import code_patch
from hpoe.tracking.records import RunRecord, StageRecord, execution_uid, pipeline_record
from hpoe.tracking.store import Tracker

pytestmark = pytest.mark.slow
STAGES = """
stages:
  copy:
    cmd: python copy_code.py
    deps: [src/code.py]
    params: [seed]
    outs: [out.txt]
"""
COPY_CODE = """
import os, shutil, signal, sys
if os.environ.get("HPOE_RESTORE_ONLY"):
    if os.environ.get("CTRL_C"):
        os.killpg(0, signal.SIGINT)
    sys.exit("not in DVC's cache")
shutil.copy("src/code.py", "out.txt")
"""
COMMITTED, EDITED = b"state = 1\r\n", b"state = '\xe9tat'\r\n"
LATIN_1 = b"# caf\xe9\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Path]:
    """The repository after a run with edited code, and another one with the code as committed."""
    root = tmp_path_factory.mktemp("made") / "hpoe"
    (root / "src").mkdir(parents=True)
    shutil.copy(repository / "params.yaml", root)
    (root / "dvc.yaml").write_text(STAGES)
    (root / "copy_code.py").write_text(COPY_CODE)
    (root / "src/code.py").write_bytes(COMMITTED)
    (root / ".gitignore").write_text("/out.txt\n/mlruns/\n/run\n/.hpoe/\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "test")
            patch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
        call("git init --quiet --initial-branch=main")
        call("git config core.autocrlf false")
        call("dvc init --quiet")
        call("git add .")
        call("git commit --quiet --message=first")
        (root / "src/code.py").write_bytes(EDITED)
        (root / "src/latin.py").write_bytes(LATIN_1)
        call("dvc repro --quiet")
        (root / "run").write_text(track())
        call("git checkout --quiet src")
        (root / "src/latin.py").unlink()
        params = (root / "params.yaml").read_text()
        (root / "params.yaml").write_text(params.replace("seed: 1\n", "seed: 2\n"))
        call("dvc repro --quiet")
        call("git add .")
        call("git commit --quiet --message=second")
        yield root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, to change."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "hpoe"))
    return tmp_path / "hpoe"


def call(command: str) -> None:
    subprocess.run(command.split(), check=True)


def track() -> str:
    """Track a run of what is here; MLflow's id of it."""
    params, tracker = load_params(), Tracker("")
    uid, patch = execution_uid(Path(".hpoe"), params, None), code_patch()
    record = StageRecord(
        pipeline=pipeline_record(uid, params, patch),
        stage=RunRecord(uid=f"{uid}.copy", name="copy"),
    )
    Path(".hpoe/code.patch").write_bytes(patch)
    record.pipeline.artifacts[".hpoe/code.patch"] = ""
    tracker.deliver(record)
    run = tracker.run_id(uid)
    assert run is not None
    return run


def checkout(root: Path, expect: int, **environment: str) -> str:
    """`hpoe checkout` of the run, in a process group of its own; what it printed."""
    done = subprocess.run(
        ["hpoe", "checkout", (root / "run").read_text()],
        cwd=root,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert done.returncode == expect, done.stdout
    return done.stdout


def state(root: Path) -> dict[str, bytes]:
    """The branch, the status, and the bytes of every file outside git's and DVC's folders."""
    hidden = {".git", ".dvc", ".hpoe", "mlruns"}
    files = [path for path in root.rglob("*") if path.is_file()]
    found = {str(path.relative_to(root)): path for path in sorted(files)}
    shown = {name: path for name, path in found.items() if name.partition("/")[0] not in hidden}
    status = ["git", "status", "--porcelain", "--branch"]
    return {
        "status": subprocess.check_output(status, cwd=root),
        **{name: path.read_bytes() for name, path in shown.items()},
    }


@pytest.mark.parametrize("setting", ["core.autocrlf true", "apply.whitespace error"])
def test_code_with_any_bytes_and_line_endings_comes_back_as_it_was(
    root: Path, setting: str
) -> None:
    call(f"git config {setting}")
    checkout(root, expect=0)
    assert (root / "src/code.py").read_bytes() == (root / "out.txt").read_bytes() == EDITED
    assert (root / "src/latin.py").read_bytes().splitlines() == LATIN_1.splitlines()
    assert load_params(root / "params.yaml").seed == 1


def test_dvcs_git_hooks_do_not_stop_a_checkout_half_way(root: Path) -> None:
    call("dvc install")
    (root / ".dvc/config").write_text("[core\n")  # whatever makes such a hook fail
    call("git update-index --assume-unchanged .dvc/config")
    (root / ".dvc/config").write_text("")
    said = checkout(root, expect=0)
    assert (root / "out.txt").read_bytes() == EDITED
    back = said.partition("to return, run `")[2].partition("`")[0]
    assert back == "git switch --discard-changes main"


@pytest.mark.parametrize("stopped", [{}, {"CTRL_C": "1"}])
def test_a_checkout_that_cannot_be_finished_changes_nothing(
    root: Path, stopped: dict[str, str]
) -> None:
    """DVC's cache lacks the output; and someone presses Ctrl-C while DVC looks for it."""
    cache = root / ".dvc/cache/files/md5"
    (lost,) = [path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == EDITED]
    lost.unlink()
    (root / "params.yaml").write_bytes((root / "params.yaml").read_bytes() + b"# mine\n")
    execution_uid(Path(".hpoe"), load_params(), None)
    before = state(root)
    said = checkout(root, expect=130 if stopped else 1, **stopped)
    assert "nothing is changed: code, params and outputs are as they were before" in said
    assert state(root) == before
    assert "up to date" in subprocess.check_output(["dvc", "status"], text=True)


def test_a_file_that_git_does_not_know_is_not_overwritten(root: Path) -> None:
    (root / "src/latin.py").write_text("mine\n")
    before = state(root)
    said = checkout(root, expect=1)
    assert "error: src/latin.py not in git, but in the run's commit, and would be lost" in said
    assert state(root) == before


def test_a_commit_that_a_shallow_clone_lacks_is_told_in_one_sentence(
    root: Path, tmp_path: Path
) -> None:
    call(f"git clone --quiet --depth=1 {root.as_uri()} {tmp_path / 'shallow'}")
    for name in ("mlruns", ".hpoe"):
        shutil.copytree(root / name, tmp_path / "shallow" / name)
    shutil.copy(root / "run", tmp_path / "shallow")
    said = checkout(tmp_path / "shallow", expect=1)
    assert "is not in this repository: fetch it" in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
