"""DVC experiments: the pipeline with other params, run in a copy of the repository.

`dvc exp run --temp` makes such copies too, for one experiment at a time. What is trained and
tracked is this tree's.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import IO

from dvc.api import read
from dvc.config import Config
from dvc.repo import Repo

from hpoe.compute.parallel import STARTED_BY
from hpoe.settings import Settings
from hpoe.tracking.store import Tracker, tracking_uri

_DVC = Lock()
"""Of its functions, which are not made for several threads."""
FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")


def surroundings(settings: Settings) -> dict[str, str]:
    """The environment in which experiments use this tree's trained digits and tracking store.

    Raises:
        TrackingError: the store cannot be used.
    """
    Tracker(settings.tracking_uri)  # makes MLflow's experiment, whose artifacts lie in this tree
    return {
        **os.environ,
        "HPOE_STATE_DIR": str(settings.state_dir.resolve()),
        "MLFLOW_TRACKING_URI": tracking_uri(settings.tracking_uri),
        "PYTHONPATH": "src",  # of the experiment's own copy, whatever is edited here meanwhile
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
    """Run an experiment, in place of an older one of its name; whether it came to its end.

    Several can run at once. The results can be read from the revision `name`. What is said goes to
    `output`, if given.

    Args:
        name: of the experiment, in DVC.
        changes: what is set in params.yaml, as DVC takes it.
        targets: the stages that are run, with those before them.
        root: of the repository.
        folder: where its copy lies meanwhile.
        environment: of the commands, see `surroundings`.
        output: of the commands.
    """
    copy = folder / name
    shutil.rmtree(copy, ignore_errors=True)  # of a run that was killed
    command = ["dvc", "exp", "run", "--force", "--name", name]
    for change in changes:
        command += ["--set-param", change]
    try:
        head = _git(root, output, "rev-parse", "HEAD").decode().strip()
        _copy(root, copy, head, output)
        subprocess.run(
            [*command, *targets],
            cwd=copy,
            env=environment,
            stdout=output,
            stderr=output,
            check=True,
        )
        reference = f"refs/exps/{head[:2]}/{head[2:]}/{name}"  # as DVC names it
        _git(root, output, *FETCH, str(copy), f"+{reference}:{reference}")
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


def _copy(root: Path, copy: Path, head: str, output: IO[str] | None) -> None:
    """Make a copy of all that git knows, and of uncommitted changes to it, that shares DVC's cache.

    Like DVC's own copies it has this repository's settings, those of git and those of DVC.
    """
    _git(root, output, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(copy))
    settings = _git(root, output, "rev-parse", "--git-path", "config").decode().strip()
    shutil.copy(root / settings, copy / ".git")
    _git(copy, output, "checkout", "--quiet", "--detach", head)
    changes = _git(root, output, "diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD")
    if changes:
        _git(copy, output, "apply", "--whitespace=nowarn", given=changes)
    local = root / ".dvc/config.local"
    if local.exists():
        shutil.copy(local, copy / ".dvc")
    with _DVC, Repo(str(root)) as repo, Config(str(copy / ".dvc")).edit("local") as config:
        config["cache"]["dir"] = repo.cache.local_cache_dir


def _git(folder: Path, output: IO[str] | None, *arguments: str, given: bytes = b"") -> bytes:
    """What git prints; what it says of errors goes to `output`."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        input=given,
        stdout=subprocess.PIPE,
        stderr=output,
        check=True,
    )
    return done.stdout
