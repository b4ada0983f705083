"""Git: the commit that a run was made from, and how the code differed from it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hpoe.errors import GitError

CODE = ("src", "pipelines", "dvc.yaml", "code.json")
"""Paths that determine results, besides params.yaml, which each run stores in full. A project of a
user's own has no code but, in code.json, the digests of what is installed."""
OWN_SOURCES = Path("src")
"""Of hpoe, in its own repository, whose stages run them."""


def git(
    *arguments: str,
    folder: Path | None = None,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run git in a folder, by default the current one, and return what it prints.

    No hooks are run: those of `dvc install` would check out outputs in between.

    Raises:
        GitError: git fails or is not installed.
    """
    try:
        done = subprocess.run(
            ["git", "-c", f"core.hooksPath={os.devnull}", *arguments],
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", **(environment or {})},
            input=stdin,
            capture_output=True,
        )
    except OSError:
        raise GitError(
            "git is not installed: install it, because each run records its commit"
        ) from None
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())[:300]
        raise GitError(f"`git {' '.join(arguments)}` failed: {reason}")
    return done.stdout


def git_tags(patch: bytes) -> dict[str, str]:
    """The commit and whether the code differs from it by a patch; none outside a repository."""
    try:
        commit = git("rev-parse", "HEAD").decode().strip()
    except GitError:
        return {}
    return {"mlflow.source.git.commit": commit, "git.dirty": str(bool(patch)).lower()}


def head_commit(root: Path) -> str:
    """The commit that is checked out in a repository.

    Raises:
        GitError: git fails, there is no commit yet, or the root is another folder.
    """
    top = Path(os.fsdecode(git("rev-parse", "--show-toplevel", folder=root).removesuffix(b"\n")))
    if top.resolve() != root.resolve():
        raise GitError(
            f"{root} is a folder of the repository {top}, but must be a repository of its own: "
            "clone or make it in another place"
        )
    try:
        return git("rev-parse", "--verify", "--quiet", "HEAD", folder=root).decode().strip()
    except GitError:
        raise GitError(
            f"the repository {root} has no commit yet: run `git add --all`, then `git commit`"
        ) from None


def has_own_sources() -> bool:
    """Whether this is hpoe's own repository, and no project of the installed hpoe."""
    return (OWN_SOURCES / "hpoe/method").is_dir()


def code_patch() -> bytes:
    """The difference between the code and the commit, for `git apply`; empty without a commit."""
    try:
        with _scratch_index() as index:
            git("read-tree", "HEAD", environment=index)
            code = [path for path in CODE if Path(path).exists()]
            git("add", "--all", "--", *code, environment=index)
            plain = ("--no-ext-diff", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
            return git(
                "diff", "--cached", "--binary", *plain, "HEAD", "--", *code, environment=index
            )
    except GitError:
        return b""


def patched_tree(commit: str, patch: bytes) -> str:
    """Apply a patch to a commit, as git stores both, and return the id of the tree.

    Nothing else is changed. The files in the working tree may have other line endings.

    Raises:
        GitError: the patch does not fit.
    """
    with _scratch_index() as index:
        git("read-tree", commit, environment=index)
        if patch:
            git("apply", "--cached", "--whitespace=nowarn", environment=index, stdin=patch)
        return git("write-tree", environment=index).decode().strip()


def working_tree(root: Path) -> str:
    """The id of a tree with everything that git knows, as it is in the working tree now."""
    with _scratch_index() as index:
        own = git("rev-parse", "--git-path", "index", folder=root).removesuffix(b"\n")
        shutil.copy(root / os.fsdecode(own), index["GIT_INDEX_FILE"])
        git("add", "--update", folder=root, environment=index)
        return git("write-tree", folder=root, environment=index).decode().strip()


def check_out(commit: str, tree: str, folder: Path | None = None) -> None:
    """Check out a commit, detached, then the files of a tree as changes that are not committed."""
    git("checkout", "--quiet", "--detach", "--force", commit, folder=folder)
    git("read-tree", "-m", "-u", "HEAD", tree, folder=folder)
    git("reset", "--quiet", folder=folder)


def paths(*arguments: str) -> list[str]:
    """The paths that a git command lists with `-z`."""
    return [os.fsdecode(path) for path in git(*arguments).split(b"\0") if path]


@contextmanager
def _scratch_index() -> Iterator[dict[str, str]]:
    """The environment in which git uses another index, which does not exist yet."""
    with tempfile.TemporaryDirectory() as scratch:
        yield {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
