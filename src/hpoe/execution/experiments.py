"""DVC experiments: the pipeline with other params, run in a copy of the repository.

`dvc exp run --temp` makes such copies too, for one experiment at a time. DVC's queue runs several,
but its workers are detached: they continue when the command that started them is killed, and run
whatever else the user has queued. From all copies, trained RBMs and tracked runs go to the stores
of this tree.
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
from hpoe.execution.copies import copy_environment
from hpoe.files import write_bytes
from hpoe.settings import Settings
from hpoe.tracking.git import check_out, git, head_commit, working_tree
from hpoe.tracking.store import Tracker

_DVC = Lock()
"""Lock for DVC's functions, which are not thread-safe."""


def experiment_environment(settings: Settings) -> dict[str, str]:
    """The environment in which experiments use this tree's trained RBMs and tracking store.

    Raises:
        GitError: there is no repository with a commit that can be copied.
        TrackingError: the store cannot be used.
    """
    head_commit(Path.cwd())
    Tracker(settings.tracking_uri)  # creates MLflow's experiment, so that artifacts go to this tree
    return {**copy_environment(settings), STARTED_BY: str(os.getpid())}


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
    copy = (folder / name).resolve()
    shutil.rmtree(copy, ignore_errors=True)  # of a run that was killed
    command = ["dvc", "exp", "run", "--force", "--name", name]
    command += [*(f"--set-param={change}" for change in changes), *targets]
    try:
        head = head_commit(root)
        _copy(root, copy, head)
        for stages in {Path(target.partition(":")[0]) for target in targets if ":" in target}:
            (copy / stages.parent / ".dvcignore").unlink(missing_ok=True)  # which hides them
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
    git("init", "--quiet", "--template=", str(copy))
    objects, config, shallow = (
        root / os.fsdecode(git("rev-parse", "--git-path", name, folder=root).removesuffix(b"\n"))
        for name in ("objects", "config", "shallow")
    )
    write_bytes(copy / ".git/objects/info/alternates", os.fsencode(objects.resolve()) + b"\n")
    shutil.copy(config, copy / ".git")
    if shallow.exists():
        shutil.copy(shallow, copy / ".git")
    # A linked worktree shares the settings of its repository, which may be bare or elsewhere.
    own = {"bare": "false", "worktree": str(copy), "sparseCheckout": "false"}
    for name, value in own.items():
        git("config", "--file", str(copy / ".git/config"), f"core.{name}", value)
    check_out(head, working_tree(root), copy)
    local = root / ".dvc/config.local"
    if local.exists():
        shutil.copy(local, copy / ".dvc")
    with _DVC, Repo(str(root)) as repo, Config(str(copy / ".dvc")).edit("local") as local_config:
        # Relative, so that the names of the folders above the repository do not matter: DVC writes
        # ASCII alone.
        local_config["cache"]["dir"] = os.path.relpath(repo.cache.local_cache_dir)
