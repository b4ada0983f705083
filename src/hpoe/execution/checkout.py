"""`hpoe checkout`: restore a run's commit, its params, and its outputs from DVC's cache."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hpoe.errors import CheckoutError, GitError
from hpoe.files import write_bytes
from hpoe.params import load_params
from hpoe.settings import Settings
from hpoe.tracking.git import git
from hpoe.tracking.records import execution_key
from hpoe.tracking.store import Tracker

REGENERATED = ("dvc.lock", "reports/metrics.json", "reports/shift_normalization.json")
"""Committed files that `dvc repro` writes: changes to them are not the user's work."""
PARAMS = Path("params.yaml")
WITHOUT_HOOKS = ("-c", f"core.hooksPath={os.devnull}")
"""Of git: those that `dvc install` makes would check out DVC's outputs, as is done here."""


def restore(run: str, settings: Settings, report: Callable[[str], None]) -> None:
    """Restore the state of a run, or change nothing.

    The commit is checked out (detached), uncommitted changes to the code that the run had are
    applied, params.yaml is written, and `dvc repro` takes all outputs from DVC's cache.

    Raises:
        CheckoutError: uncommitted work would be lost, or the run cannot be restored completely.
        TrackingError: the run is not in the tracking store.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = Tracker(settings.tracking_uri).top_level_run(run, Path(scratch))
        _refuse_to_lose_work(settings)
        tree = _tree(found.commit, found.files / "code.patch")
        with _all_or_nothing(found.commit, tree) as here:
            git(*WITHOUT_HOOKS, "restore", f"--source={tree}", "--worktree", "--", ":/")
            write_bytes(PARAMS, (found.files / PARAMS).read_bytes())
            report(f"commit {found.commit[:12]} and params of run {found.name} restored")
            # The committed lock may name outputs of another execution, made elsewhere. Without a
            # lock DVC looks up each stage's outputs by its inputs.
            Path("dvc.lock").unlink(missing_ok=True)
            done = subprocess.run(["dvc", "repro"], env={**os.environ, "HPOE_RESTORE_ONLY": "true"})
            if done.returncode:
                raise CheckoutError(
                    f"not all outputs of run {found.name} are in DVC's cache (see above): nothing "
                    "is changed"
                )
    report(
        f"outputs restored; to return, run `git switch --discard-changes {here}`, then `dvc repro`"
    )


def _refuse_to_lose_work(settings: Settings) -> None:
    changed = git("status", "--porcelain", "--untracked-files=no", "-z", "--no-renames")
    files = [os.fsdecode(line[3:]) for line in changed.split(b"\0") if line]
    files = [name for name in files if name not in REGENERATED]
    executions = settings.state_dir / "executions"
    if str(PARAMS) in files and (executions / f"{execution_key(load_params())}.json").exists():
        files.remove(str(PARAMS))  # these params have a run, from which they can be restored
    if files:
        raise CheckoutError(
            f"{', '.join(files)} changed since the last commit and would be lost: commit or stash "
            "first (`git stash`)"
        )
    status = subprocess.run(["dvc", "data", "status", "--json"], capture_output=True, check=True)
    uncommitted = json.loads(status.stdout or b"{}").get("uncommitted", {})
    outputs = [path for paths in uncommitted.values() for path in paths if Path(path).exists()]
    if outputs:
        raise CheckoutError(
            f"{', '.join(sorted(map(str, outputs)))} changed since DVC saved it and would be lost: "
            "run `dvc commit` to keep it, or `dvc repro` to make it again"
        )


def _tree(commit: str, patch: Path) -> str:
    """Make git's tree of a commit with a patch, before any file is changed.

    Raises:
        CheckoutError: the commit is not there, or the patch does not belong to it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        try:
            git("read-tree", commit, environment=index)
            if patch.exists():
                git("apply", "--cached", "--whitespace=nowarn", str(patch), environment=index)
            return git("write-tree", environment=index).decode().strip()
        except GitError as error:
            raise CheckoutError(
                f"commit {commit[:12]} of the run cannot be restored ({error}): fetch it, if it "
                "was made in another clone"
            ) from None


@contextmanager
def _all_or_nothing(commit: str, tree: str) -> Iterator[str]:
    """Switch to a commit, detached; return to the branch and its files if the block fails.

    Yields the name of the branch, or the commit if there is none.
    """
    branch = git("branch", "--show-current").decode().strip()
    here = branch or git("rev-parse", "HEAD").decode().strip()
    untracked = [path for path in _added("HEAD", tree) if path.exists()]
    taken = [str(path) for path in untracked if not _is_same(path, tree)]
    if taken:
        raise CheckoutError(f"{', '.join(taken)} would be overwritten: move it elsewhere first")
    kept = [*map(Path, REGENERATED), PARAMS, *untracked]
    before = {path: path.read_bytes() for path in kept if path.exists()}
    try:
        git(*WITHOUT_HOOKS, "switch", "--detach", "--quiet", "--discard-changes", commit)
        yield here
    except BaseException:
        for path in _added(commit, tree):
            path.unlink(missing_ok=True)
        target = (here,) if branch else ("--detach", here)
        git(*WITHOUT_HOOKS, "switch", "--quiet", "--discard-changes", *target)
        for name in REGENERATED:
            Path(name).unlink(missing_ok=True)
        for path, content in before.items():
            write_bytes(path, content)
        subprocess.run(["dvc", "checkout", "--force", "--quiet"], capture_output=True)
        raise


def _added(commit: str, tree: str) -> list[Path]:
    """The files that a tree has and a commit has not."""
    names = git("diff", "--name-only", "--no-renames", "--diff-filter=A", "-z", commit, tree)
    return [Path(os.fsdecode(name)) for name in names.split(b"\0") if name]


def _is_same(path: Path, tree: str) -> bool:
    """Whether a file is as a tree has it."""
    return git("hash-object", "--", str(path)) == git("rev-parse", f"{tree}:{path}")
