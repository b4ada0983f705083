"""Copies of the tree: each runs its own code, with the settings and stores of the tree."""

import os
import sys
from pathlib import Path

from dotenv import dotenv_values

import hpoe
from hpoe.settings import PREFIX, Settings, load_settings
from hpoe.tracking.store import Tracker, tracking_uri


def copy_environment(settings: Settings) -> dict[str, str]:
    """The environment in which a copy of this tree runs its own code with this tree's settings.

    That includes .env, which git does not know.
    """
    folders = {name: value.resolve() for name, value in settings if isinstance(value, Path)}
    return {
        **{name: value for name, value in dotenv_values(".env").items() if value},
        **os.environ,
        **{f"{PREFIX}{name.upper()}": str(folder) for name, folder in folders.items()},
        "MLFLOW_TRACKING_URI": tracking_uri(settings.tracking_uri),
        "PYTHONPATH": "src",
    }


def restart_in_copy() -> None:
    """Start this process again as part of the copy of the tree that it runs in, if DVC made one.

    `dvc exp run --temp` and DVC's queue run stages in a copy, which they remove. Otherwise a stage
    would import the code that is edited in the tree meanwhile, and track and register in the copy.
    """
    copy, root = Path.cwd(), Path(os.environ.get("DVC_ROOT", ".")).resolve()
    own_code = Path(hpoe.__file__).is_relative_to(copy)
    if own_code or not copy.is_relative_to(root / ".dvc/tmp"):
        return
    os.chdir(root)
    settings = load_settings()
    environment = copy_environment(settings)
    if environment["MLFLOW_TRACKING_URI"].startswith("sqlite"):
        Tracker(settings.tracking_uri)  # creates the embedded store here
    os.chdir(copy)
    os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606
