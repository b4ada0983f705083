"""The code of a run: its commit, and its changes as a patch that brings them back."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hpoe.errors import GitError
from hpoe.tracking.git import code_patch, git, git_tags


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a pipeline's sources, below no repository."""
    root = tmp_path / "project"
    for name, text in (
        ("dvc.yaml", "stages: {}\n"),
        ("params.yaml", "seed: 1\n"),
        ("pipelines/split.py", "print('split')\n"),
        ("src/hpoe/method/rbm.py", "weights = 1\n"),
        ("src/hpoe/data/idx.py", "images = 1\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return root


@pytest.fixture
def commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only commit of the project, made a repository that nobody's configuration touches."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git("init", "--quiet", str(project))
    git("add", "--all")
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    git(*author, "commit", "--quiet", "--message=start")
    return git("rev-parse", "HEAD").decode().strip()


@pytest.mark.usefixtures("project")
def test_outside_a_repository_there_are_no_tags_and_no_patch() -> None:
    assert git_tags() == {}
    assert code_patch() == b""
    with pytest.raises(GitError, match=r"`git rev-parse HEAD` failed: .*not a git repository"):
        git("rev-parse", "HEAD")


def test_without_git_there_are_no_tags(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_tags()["mlflow.source.git.commit"] == commit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_tags() == {}
    with pytest.raises(GitError, match="git is not installed"):
        git("status")


@pytest.mark.parametrize("name", ["params.yaml", "README.md", "dvc.lock"])
def test_params_documents_and_outputs_are_not_code(commit: str, project: Path, name: str) -> None:
    (project / name).write_text("changed\n")
    assert git_tags() == {"mlflow.source.git.commit": commit, "git.dirty": "false"}
    assert code_patch() == b""


def change(project: Path) -> None:
    (project / "src/hpoe/method/rbm.py").write_bytes("weights = 2  # ä".encode("latin-1"))


def change_several(project: Path) -> None:
    for name in ("dvc.yaml", "pipelines/split.py", "src/hpoe/data/idx.py"):
        (project / name).write_text(f"changed {name}\n")


def delete(project: Path) -> None:
    (project / "pipelines/split.py").unlink()


def add_unknown(project: Path) -> None:
    (project / "src/hpoe/new.py").write_text("new = 1\n")


def add_bytes(project: Path) -> None:
    (project / "src/hpoe/table.bin").write_bytes(bytes(range(256)))


def stage_only(project: Path) -> None:
    change(project)
    git("add", "--all")


def code_of(project: Path) -> dict[str, bytes]:
    files = [project / "dvc.yaml", *project.glob("pipelines/*"), *project.rglob("src/**/*.*")]
    return {str(file.relative_to(project)): file.read_bytes() for file in sorted(files)}


def assert_brings_back(patch: bytes, project: Path, scratch: Path) -> None:
    """Undo all changes, apply the patch, and find the same code."""
    changed = code_of(project)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    git(*author, "stash", "--quiet", "--include-untracked")
    assert code_of(project) != changed
    (scratch / "code.patch").write_bytes(patch)
    git("apply", str(scratch / "code.patch"))
    assert code_of(project) == changed


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize(
    "edit",
    [
        change,
        change_several,
        delete,
        add_unknown,
        add_bytes,
        stage_only,
    ],
)
def test_a_change_of_the_code_is_a_patch_that_brings_it_back(
    project: Path, tmp_path: Path, edit: Callable[[Path], None]
) -> None:
    edit(project)
    assert git_tags()["git.dirty"] == "true"
    assert_brings_back(code_patch(), project, tmp_path)


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.external", "true"),  # a program that prints nothing
    ],
)
def test_a_users_way_of_showing_differences_does_not_change_the_patch(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    change(project)
    with monkeypatch.context() as context:
        for name, text in (("COUNT", "1"), ("KEY_0", key), ("VALUE_0", value)):
            context.setenv(f"GIT_CONFIG_{name}", text)
        patch, tags = code_patch(), git_tags()
    assert tags["git.dirty"] == "true"
    assert_brings_back(patch, project, tmp_path)
