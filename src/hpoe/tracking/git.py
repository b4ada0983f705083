"""Git: the commit that a run was made from, and how the code differed from it."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hpoe.errors import GitError

CODE = ("src", "pipelines", "dvc.yaml")
"""Paths that determine results, besides params.yaml, which each run stores in full."""


def git(
    *arguments: str,
    folder: Path | None = None,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run git in a folder, by default the current one, and return what it prints.

    Raises:
        GitError: git fails or is not installed.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
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


def code_patch() -> bytes:
    """The difference between the code and the commit, for `git apply`; empty without a commit."""
    try:
        with tempfile.TemporaryDirectory() as scratch:  # for an index that has new files too
            index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            git("read-tree", "HEAD", environment=index)
            code = [path for path in CODE if Path(path).exists()]
            git("add", "--all", "--", *code, environment=index)
            plain = ("--no-ext-diff", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
            return git(
                "diff", "--cached", "--binary", *plain, "HEAD", "--", *code, environment=index
            )
    except GitError:
        return b""
