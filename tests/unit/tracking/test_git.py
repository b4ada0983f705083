"""The code of a run: its commit, and its changes as a patch that brings them back."""

import os
from pathlib import Path

import pytest

from hpoe.errors import GitError
from hpoe.tracking.git import code_patch, git, git_tags, head_commit


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
    assert git_tags(code_patch()) == {}
    assert code_patch() == b""
    with pytest.raises(GitError, match=r"`git rev-parse HEAD` failed: .*not a git repository"):
        git("rev-parse", "HEAD")


def test_without_git_there_are_no_tags(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_tags(code_patch())["mlflow.source.git.commit"] == commit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_tags(code_patch()) == {}
    with pytest.raises(GitError, match="git is not installed"):
        git("status")


def test_params_documents_and_outputs_are_not_code(commit: str, project: Path) -> None:
    for name in ("params.yaml", "README.md", "dvc.lock"):
        (project / name).write_text("changed\n")
    assert git_tags(code_patch()) == {"mlflow.source.git.commit": commit, "git.dirty": "false"}
    assert code_patch() == b""


def change(project: Path) -> None:
    """Change files, one to bytes that are no UTF-8; delete one, and add two, one of them binary."""
    (project / "src/hpoe/method/rbm.py").write_bytes("weights = 2  # ä".encode("latin-1"))
    (project / "dvc.yaml").write_text("changed\n")
    (project / "pipelines/split.py").unlink()
    (project / "src/hpoe/new.py").write_bytes(b"new = '\xe9'\r\n")
    (project / "src/hpoe/table.bin").write_bytes(bytes(range(256)))


def code_of(project: Path) -> dict[str, bytes]:
    files = [project / "dvc.yaml", *project.glob("pipelines/*"), *project.rglob("src/**/*.*")]
    return {str(file.relative_to(project)): file.read_bytes() for file in sorted(files)}


@pytest.mark.usefixtures("project")
def test_a_repository_that_experiments_cannot_copy_is_told_in_one_sentence() -> None:
    with pytest.raises(GitError, match="not a git repository"):
        head_commit(Path.cwd())
    git("init", "--quiet")
    with pytest.raises(GitError, match="has no commit yet: run `git add --all`, then `git commit`"):
        head_commit(Path.cwd())
    with pytest.raises(GitError, match="is a folder of the repository"):
        head_commit(Path("src").resolve())


def test_gits_commands_run_no_hooks(commit: str, project: Path) -> None:
    hook = project / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    git("checkout", "--quiet", "--detach", commit)


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.external", "true"),  # a program that prints nothing
    ],
)
def test_a_change_of_the_code_is_a_patch_that_brings_it_back_whatever_a_user_has_configured(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    value: str,
    staged: bool,
) -> None:
    change(project)
    if staged:
        git("add", "--all")
    with monkeypatch.context() as context:
        for name, text in (("COUNT", "1"), ("KEY_0", key), ("VALUE_0", value)):
            context.setenv(f"GIT_CONFIG_{name}", text)
        patch = code_patch()
        tags = git_tags(patch)
    assert tags["git.dirty"] == "true"
    changed = code_of(project)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    git(*author, "stash", "--quiet", "--include-untracked")
    assert code_of(project) != changed
    (tmp_path / "code.patch").write_bytes(patch)
    git("apply", str(tmp_path / "code.patch"))
    assert code_of(project) == changed
