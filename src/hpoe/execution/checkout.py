"""`hpoe checkout`: restore a run's commit, its params, and its outputs from DVC's cache."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from hpoe.errors import CheckoutError
from hpoe.files import write_bytes
from hpoe.params import load_params
from hpoe.settings import Settings
from hpoe.tracking.git import git
from hpoe.tracking.records import execution_key
from hpoe.tracking.store import Tracker

REGENERATED = ("dvc.lock", "reports/metrics.json", "reports/shift_normalization.json")
"""Committed files that `dvc repro` writes: changes to them are not the user's work."""


def restore(run: str, settings: Settings, report: Callable[[str], None]) -> None:
    """Restore the state of a run.

    The commit is checked out (detached), uncommitted changes to the code that the run had are
    applied, params.yaml is written, and `dvc repro` takes all outputs from DVC's cache.

    Raises:
        CheckoutError: uncommitted work would be lost, or DVC's cache lacks outputs of the run.
        GitError: the commit is not in this repository.
        TrackingError: the run is not in the tracking store.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = Tracker(settings.tracking_uri).top_level_run(run, Path(scratch))
        _refuse_to_lose_work(settings)
        here = git("rev-parse", "--abbrev-ref", "HEAD").decode().strip()
        git("switch", "--detach", "--quiet", "--discard-changes", found.commit)
        if (found.files / "code.patch").exists():
            git("apply", str(found.files / "code.patch"))
        write_bytes(Path("params.yaml"), (found.files / "params.yaml").read_bytes())
    report(f"commit {found.commit[:12]} and params of run {found.name} restored")
    # The committed lock may name outputs of another execution, made elsewhere. Without a lock DVC
    # looks up each stage's outputs by its inputs.
    Path("dvc.lock").unlink(missing_ok=True)
    done = subprocess.run(["dvc", "repro"], env={**os.environ, "HPOE_RESTORE_ONLY": "true"})
    if done.returncode:
        raise CheckoutError("code and params are restored, but not all outputs (see above)")
    report(
        f"outputs restored; to return, run `git switch --discard-changes {here}`, then `dvc repro`"
    )


def _refuse_to_lose_work(settings: Settings) -> None:
    changed = git("status", "--porcelain", "--untracked-files=no").decode().splitlines()
    files = [line[3:] for line in changed if line[3:] not in REGENERATED]
    executions = settings.state_dir / "executions"
    if "params.yaml" in files and (executions / f"{execution_key(load_params())}.json").exists():
        files.remove("params.yaml")  # these params have a run, from which they can be restored
    if files:
        raise CheckoutError(
            f"{', '.join(files)} changed since the last commit and would be lost: commit or stash "
            "first (`git stash`)"
        )
    status = subprocess.run(
        ["dvc", "data", "status", "--json"], capture_output=True, text=True, check=True
    )
    uncommitted = json.loads(status.stdout or "{}").get("uncommitted", {})
    outputs = [path for paths in uncommitted.values() for path in paths if Path(path).exists()]
    if outputs:
        raise CheckoutError(
            f"{', '.join(sorted(map(str, outputs)))} changed since DVC saved it and would be lost: "
            "run `dvc commit` to keep it, or `dvc repro` to make it again"
        )
