"""DVC experiments: the pipeline with other params, run in a copy of the repository.

`dvc exp run --temp` makes such copies too, for one experiment at a time. DVC's queue runs several,
but its workers are detached: they continue when the command that started them is killed, and run
whatever else the user has queued. Trained RBMs and tracked runs go to the store of this tree.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import IO

from dvc.api import read
from dvc.config import Config
from dvc.repo import Repo

from hpoe.compute.parallel import STARTED_BY
from hpoe.errors import GitError
from hpoe.execution.copies import project_environment
from hpoe.execution.pipeline import PAPER_STAGES
from hpoe.settings import Settings
from hpoe.tracking.git import git
from hpoe.tracking.store import Tracker

_DVC = Lock()
"""Lock for DVC's functions, which are not thread-safe."""


def experiment_environment(settings: Settings) -> dict[str, str]:
    """The environment in which experiments use this tree's trained RBMs and tracking store.

    Raises:
        TrackingError: the store cannot be used.
    """
    Tracker(settings.tracking_uri)  # creates MLflow's experiment, so that artifacts go to this tree
    return {
        **os.environ,
        **project_environment(settings),
        "PYTHONPATH": "src",  # import its own copy, whatever is edited here meanwhile
        STARTED_BY: str(os.getpid()),
    }


def run_experiment(
    name: str,
    changes: Sequence[str],
    targets: Sequence[str],
    *,
    root: Path,
    folder: Path,
    environment: Mapping[str, str],
    output: IO[str] | None = None,
) -> bool:
    """Run an experiment, replacing an older one of the same name; return whether it succeeded.

    Several can run at once. Results can be read from the revision `name`.

    Args:
        name: of the experiment, in DVC.
        changes: what is set in params.yaml, in the syntax of `dvc exp run --set-param`.
        targets: the stages to run, with those before them.
        root: of the repository.
        folder: where its copy lies meanwhile.
        environment: of the commands, see `experiment_environment`.
        output: receives what the commands print; by default that goes to the terminal.
    """
    copy = folder / name
    shutil.rmtree(copy, ignore_errors=True)  # of a run that was killed
    command = ["dvc", "exp", "run", "--force", "--name", name]
    command += [*(f"--set-param={change}" for change in changes), *targets]
    try:
        head = git("rev-parse", "HEAD", folder=root).decode().strip()
        _copy(root, copy, head)
        if any(target.startswith(str(PAPER_STAGES)) for target in targets):
            _show_paper_stages(copy)
        subprocess.run(command, cwd=copy, env=environment, stdout=output, stderr=output, check=True)
        reference = f"refs/exps/{head[:2]}/{head[2:]}/{name}"  # as DVC names it
        quietly = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        git("fetch", *quietly, str(copy), f"+{reference}:{reference}", folder=root)
    except GitError as error:
        print(error, file=output or sys.stderr)
        return False
    except subprocess.CalledProcessError:
        return False
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return True


def read_result(path: str | Path, name: str, root: Path) -> str:
    """The content of a file of an experiment that has been run."""
    with _DVC:
        content: str = read(str(path), repo=str(root), rev=name)
    return content


def _copy(root: Path, copy: Path, head: str) -> None:
    """Copy all that git knows, with uncommitted changes to it; the copy shares DVC's cache.

    Like DVC's own copies it has this repository's settings, those of git and those of DVC.
    """
    git("clone", "--quiet", "--shared", "--no-checkout", str(root), str(copy))
    settings = git("rev-parse", "--git-path", "config", folder=root).decode().strip()
    shutil.copy(root / settings, copy / ".git")
    git("config", "core.bare", "false", folder=copy)  # it is true where `root` is a linked worktree
    git("checkout", "--quiet", "--detach", head, folder=copy)
    changes = git("diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD", folder=root)
    if changes:
        git("apply", "--whitespace=nowarn", folder=copy, stdin=changes)
    local = root / ".dvc/config.local"
    if local.exists():
        shutil.copy(local, copy / ".dvc")
    with _DVC, Repo(str(root)) as repo, Config(str(copy / ".dvc")).edit("local") as config:
        config["cache"]["dir"] = repo.cache.local_cache_dir


def _show_paper_stages(copy: Path) -> None:
    """Let DVC see the stages of `make paper` in a copy."""
    path = copy / ".dvcignore"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if line.strip() != f"/{PAPER_STAGES}"))
