"""DVC experiments: the pipeline with other params, run in a folder beside the working tree.

An experiment has a copy of its own of all that git knows, and of uncommitted changes to it; what it
trains and tracks is this tree's.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from hpoe.settings import Settings
from hpoe.tracking import Tracker, tracking_uri


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
    }


def run_experiment(
    name: str,
    changes: Sequence[str],
    targets: Sequence[str],
    *,
    root: Path,
    environment: Mapping[str, str],
    output: IO[str] | None = None,
) -> bool:
    """Run an experiment, in place of an older one of its name; whether it came to its end.

    Its results can be read from the revision `name`. What it says goes to `output`, if given.
    """
    command = ["dvc", "exp", "run", "--temp", "--force", "--name", name]
    for change in changes:
        command += ["--set-param", change]
    done = subprocess.run(
        [*command, *targets], cwd=root, env=environment, stdout=output, stderr=output
    )
    return done.returncode == 0
