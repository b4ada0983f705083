"""`hpoe checkout`: restore a run's commit, its params, and its outputs from DVC's cache."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hpoe.errors import CheckoutError, GitError, HpoeError
from hpoe.execution.pipeline import uncached_outputs
from hpoe.execution.selection import remove_unselected
from hpoe.files import write_bytes
from hpoe.params import load_params
from hpoe.settings import Settings
from hpoe.tracking.git import check_out, git, head_commit, patched_tree, paths
from hpoe.tracking.records import execution_key
from hpoe.tracking.store import Tracker

PARAMS, LOCK = Path("params.yaml"), Path("dvc.lock")


def restore(run: str, settings: Settings, report: Callable[[str], None]) -> None:
    """Restore the state of a run, or change nothing.

    The commit is checked out (detached), uncommitted changes to the code that the run had are
    applied, params.yaml is written, and `dvc repro` takes all outputs from DVC's cache.

    Raises:
        CheckoutError: uncommitted work would be lost, or DVC's cache lacks outputs of the run.
        GitError: the commit is not in this repository, or git fails.
        TrackingError: the run is not in the tracking store.
    """
    head_commit(Path.cwd())
    with tempfile.TemporaryDirectory() as scratch:
        found = Tracker(settings.tracking_uri).top_level_run(run, Path(scratch))
        files = {path.name: path.read_bytes() for path in found.files.iterdir() if path.is_file()}
    if PARAMS.name not in files:
        raise CheckoutError(f"the artifacts of run {found.name} lack params.yaml: choose another")
    tree = _tree(found.commit, files.get("code.patch", b""))
    written = [LOCK, *uncached_outputs()]
    _refuse_to_lose_work(settings, tree, {str(path) for path in written})
    with _all_or_nothing(tree, [PARAMS, *written], report) as back:
        check_out(found.commit, tree)
        write_bytes(PARAMS, files[PARAMS.name])
        # The committed lock may name outputs of another execution, made elsewhere. Without a lock
        # DVC looks up each stage's outputs by its inputs.
        _remove([LOCK])
        remove_unselected(load_params().train, report)  # earlier commits lack the stage for it
        done = subprocess.run(["dvc", "repro"], env={**os.environ, "HPOE_RESTORE_ONLY": "true"})
        if done.returncode:
            raise CheckoutError(
                "not all outputs of the run could be restored (see above); for its code alone, run "
                f"`git switch --detach {found.commit[:12]}`"
            )
    report(f"commit {found.commit[:12]}, params and outputs of run {found.name} restored")
    source = load_params().data.path
    if source is not None and Path(source).is_absolute():
        report(f"{source} has no versions: the outputs are of the images that are there today")
    report(f"to return, run `{back}`, then `dvc repro`")


def _tree(commit: str, patch: bytes) -> str:
    """The id of git's tree of a run's code."""
    try:
        git("cat-file", "-e", f"{commit}^{{commit}}")
    except GitError:
        raise GitError(
            f"commit {commit[:12]} of this run is not in this repository: fetch it (in a shallow "
            "clone with `git fetch --unshallow`), or run the command where the run was made"
        ) from None
    return patched_tree(commit, patch)


def _refuse_to_lose_work(settings: Settings, tree: str, written: set[str]) -> None:
    """Check that the working tree holds only what can be restored.

    Raises:
        CheckoutError: it holds something else.
    """
    status = ("status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    changed = {entry[3:] for entry in paths(*status)} - written
    executions = settings.state_dir / "executions"
    if str(PARAMS) in changed and (executions / f"{execution_key(load_params())}.json").exists():
        changed.remove(str(PARAMS))  # these params have a run, from which they can be restored
    _refuse(changed, "changed since the last commit", "commit or stash first (`git stash`)")
    tracked = set(paths("ls-files", "-z"))
    new = set(paths("ls-tree", "-r", "-z", "--name-only", tree)) - tracked - written
    places = {str(place) for name in new for place in (Path(name), *Path(name).parents)} - tracked
    in_the_way = {place for place in places if Path(place).is_file() or Path(place).is_symlink()}
    _refuse(in_the_way, "not in git, but in the run's commit", "move or commit what is here first")
    command = ["dvc", "data", "status", "--json"]
    listed = subprocess.run(command, capture_output=True, check=False)
    if listed.returncode:
        reason = " ".join(listed.stderr.decode(errors="replace").split())
        raise CheckoutError(f"`{' '.join(command)}` failed: {reason}")
    uncommitted = json.loads(listed.stdout or "{}").get("uncommitted", {})
    outputs = {path for each in uncommitted.values() for path in each if Path(path).exists()}
    _refuse(
        outputs,
        "changed since DVC saved it",
        "run `dvc commit` to keep it, or `dvc repro` to make it again",
    )


def _refuse(files: set[str], reason: str, remedy: str) -> None:
    if files:
        raise CheckoutError(f"{', '.join(sorted(files))} {reason}, and would be lost: {remedy}")


@contextmanager
def _all_or_nothing(
    tree: str, files: Sequence[Path], report: Callable[[str], None]
) -> Iterator[str]:
    """Yield git's command that goes back to the current branch; go back if the block fails.

    Args:
        tree: what the block checks out; nothing in the working tree is in the way of it.
        files: what the block may write besides, and DVC's cache does not have.
        report: is told that everything is as it was, or what to do if it is not.
    """
    before = head_commit(Path.cwd())
    branch = git("branch", "--show-current").decode().strip()
    back = f"git switch --discard-changes {branch or f'--detach {before}'}"
    new = set(paths("ls-tree", "-r", "-z", "--name-only", tree)) - set(paths("ls-files", "-z"))
    contents = {path: path.read_bytes() if path.exists() else None for path in files}
    try:
        _remove(contents)  # git refuses to replace those that it does not know here
        yield back
    except BaseException:
        ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # also in git and DVC
        try:
            _remove({*contents, *map(Path, new)})
            git(*back.split()[1:], "--quiet")
            _remove(contents)
            for path, content in contents.items():
                if content is not None:
                    write_bytes(path, content)
            command = ["dvc", "checkout", "--quiet", "--force", "--allow-missing"]
            if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
                raise CheckoutError("`dvc checkout` failed (see above)")
            report("nothing is changed: code, params and outputs are as they were before")
        except (HpoeError, OSError) as error:
            report(f"what was here could not be restored ({error}): run `{back}`, then `dvc repro`")
        finally:
            signal.signal(signal.SIGINT, ignored)
        raise


def _remove(files: Iterable[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
