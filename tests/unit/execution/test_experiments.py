"""Experiments in copies of a repository: a real one of git and DVC, with a stage that copies."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hpoe.execution.experiments import read_result, run_experiment

STAGES = """
stages:
  copy:
    cmd: cat code.txt params.yaml > out.txt
    deps: [code.txt]
    params: [x]
    outs: [out.txt]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose author only it knows, with a change that is not committed."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "params.yaml").write_text("x: 1\n")
    (folder / "code.txt").write_bytes(b"of one system\r\n")
    for command in (
        "git init --quiet --initial-branch main",
        "git config user.name Somebody",
        "git config user.email somebody@example.com",
        "git config core.autocrlf false",
        "dvc init --quiet",
        "dvc cache dir --local ../cache",
        "git add .",
        "git commit --quiet --message first",
    ):
        subprocess.run(command.split(), cwd=folder, check=True)
    (folder / "code.txt").write_bytes("\u00e9tat\r\n".encode("latin-1"))
    return folder


def run(root: Path, name: str, change: str) -> bool:
    with (root.parent / f"{name}.log").open("w") as output:
        return run_experiment(
            name,
            [change],
            ["copy"],
            root=root,
            folder=Path(os.path.relpath(root.parent / "copies")),  # as `hpoe replicate` gives it
            environment=os.environ,
            output=output,
        )


@pytest.mark.slow
def test_experiments_run_side_by_side_with_what_is_not_committed(root: Path) -> None:
    before = subprocess.check_output(["git", "status", "--porcelain"], cwd=root)
    names = {f"x{number}": f"x={number}" for number in (2, 3, 4)}
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(run, [root] * 3, names, names.values()))
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=root) == before
    for name, change in names.items():
        assert read_result("params.yaml", name, root) == change.replace("=", ": ") + "\n"
        subprocess.run(["dvc", "exp", "apply", "--quiet", name], cwd=root, check=True)
        content = f"\u00e9tat\r\n{change.replace('=', ': ')}\n"
        assert (root / "out.txt").read_bytes() == content.encode("latin-1")
    listing = ["git", "for-each-ref", "--format=%(refname:lstrip=4) %(authorname)", "refs/exps"]
    revisions = subprocess.check_output(listing, cwd=root, text=True).splitlines()
    assert {f"{name} Somebody" for name in names} <= set(revisions)
    assert list((root.parent / "copies").iterdir()) == []


def linked_worktree(root: Path) -> Path:
    """A worktree beside the repository's own."""
    subprocess.run(["git", "worktree", "add", "--quiet", "../linked"], cwd=root, check=True)
    return root.parent / "linked"


def worktree_of_bare(root: Path) -> Path:
    """A worktree of a repository that has none of its own."""
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", str(root), "../bare"], cwd=root, check=True
    )
    bare = root.parent / "bare"
    subprocess.run(["git", "worktree", "add", "--quiet", "../tree"], cwd=bare, check=True)
    return root.parent / "tree"


def shallow_clone(root: Path) -> Path:
    """A clone of the newest commit alone."""
    subprocess.run(["git", "commit", "--quiet", "--all", "--message=second"], cwd=root, check=True)
    clone = ["git", "clone", "--quiet", "--depth=1", root.as_uri(), "../shallow"]
    subprocess.run(clone, cwd=root, check=True)
    return root.parent / "shallow"


def detached(root: Path) -> Path:
    """The repository itself, on no branch."""
    subprocess.run(["git", "switch", "--quiet", "--detach"], cwd=root, check=True)
    return root


def with_an_odd_name(root: Path) -> Path:
    """The repository, with no local settings, in a folder whose name is not of ASCII alone."""
    (root / ".dvc/config.local").unlink()
    (root.parent / "größe 50%41").mkdir()
    root.rename(root.parent / "größe 50%41/repository")
    return root.parent / "größe 50%41/repository"


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [with_an_odd_name, linked_worktree, worktree_of_bare, shallow_clone, detached]
)
def test_an_experiment_runs_in_any_kind_of_working_tree(
    root: Path, place: Callable[[Path], Path]
) -> None:
    tree = place(root)
    for key, value in (("user.name", "Somebody"), ("user.email", "somebody@example.com")):
        subprocess.run(["git", "config", key, value], cwd=tree, check=True)
    (tree / "code.txt").write_bytes(b"changed here\n")
    before = subprocess.check_output(["git", "status", "--porcelain"], cwd=tree)
    assert run(tree, "elsewhere", "x=2"), (root.parent / "elsewhere.log").read_text()
    assert read_result("out.txt", "elsewhere", tree) == "changed here\nx: 2\n"
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=tree) == before


@pytest.mark.slow
def test_what_fails_is_said_in_the_output_and_leaves_no_copy(root: Path) -> None:
    (root / "dvc.yaml").write_text(STAGES.replace("cat code.txt", "cat no.txt"))
    assert not run(root, "failing", "x=2")
    assert "no.txt" in (root.parent / "failing.log").read_text()
    assert list((root.parent / "copies").iterdir()) == []


def test_outside_a_repository_the_output_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    assert not run(folder, "nowhere", "x=2")
    assert "not a git repository" in (tmp_path / "nowhere.log").read_text()
