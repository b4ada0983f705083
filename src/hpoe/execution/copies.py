"""Copies of the project, in which `dvc exp run`, its queue, and `hpoe sweep` run experiments.

A copy runs its own code. The trained RBMs, the tracking store and .env are those of the project.
"""

import os
import sys
from contextlib import chdir
from pathlib import Path

from dotenv import dotenv_values

import hpoe
from hpoe.settings import Settings, load_settings
from hpoe.tracking.store import tracking_uri

PROJECT = "DVC_ROOT"
"""Set by DVC for the stages of an experiment: the project that a copy was made of."""


def project_environment(settings: Settings) -> dict[str, str]:
    """The variables by which stages in a copy use the stores of the project, which is here."""
    return {
        "HPOE_STATE_DIR": str(settings.state_dir.resolve()),
        "MLFLOW_TRACKING_URI": tracking_uri(settings.tracking_uri),
    }


def enter_copy() -> None:
    """Make a stage that DVC runs in a copy use the copy's code and the project's stores.

    The installed hpoe may be that of the project, or of another working tree, which may have been
    edited since. Then the stage starts again with the code beside it.
    """
    project, here = Path(os.environ.get(PROJECT, ".")), Path.cwd()
    if project.is_dir() and project.resolve() != here:
        with chdir(project):
            for name, value in dotenv_values(".env").items():
                os.environ.setdefault(name, value or "")
            stores = project_environment(load_settings())
        for name, value in stores.items():
            if not os.environ.get(name):
                os.environ[name] = value
    source = here / "src"
    if not (source / "hpoe").is_dir() or Path(hpoe.__file__).is_relative_to(source):
        return
    if os.environ.get("PYTHONPATH") == str(source):
        return  # Python was told to ignore it
    os.environ["PYTHONPATH"] = str(source)
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - this same program
