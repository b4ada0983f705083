"""Copies of the tree: each runs its own code, with the settings and stores of the tree."""

import os
from pathlib import Path

from dotenv import dotenv_values

from hpoe.settings import PREFIX, Settings, load_settings
from hpoe.tracking.git import OWN_SOURCES, has_own_sources
from hpoe.tracking.store import Tracker, tracking_uri


def copy_environment(settings: Settings) -> dict[str, str]:
    """The environment in which a copy of this tree runs its own code with this tree's settings.

    That includes .env, which git does not know. A copy of a project without code runs what is
    installed.
    """
    folders = {name: value.resolve() for name, value in settings if isinstance(value, Path)}
    own_code = {"PYTHONPATH": str(OWN_SOURCES)} if has_own_sources() else {}
    return {
        **{name: value for name, value in dotenv_values(".env").items() if value},
        **os.environ,
        **{f"{PREFIX}{name.upper()}": str(folder) for name, folder in folders.items()},
        "MLFLOW_TRACKING_URI": tracking_uri(settings.tracking_uri),
        **own_code,
    }


def share_stores() -> None:
    """Use the settings and stores of the tree if this is a copy that DVC made of it.

    `dvc exp run --temp` and DVC's queue run stages in such copies, and remove them with all that is
    tracked, registered or kept there.
    """
    copy, root = Path.cwd(), Path(os.environ.get("DVC_ROOT", ".")).resolve()
    if not copy.is_relative_to(root / ".dvc/tmp"):
        return
    os.chdir(root)
    settings = load_settings()
    environment = copy_environment(settings)
    if environment["MLFLOW_TRACKING_URI"].startswith("sqlite"):
        Tracker(settings.tracking_uri)  # creates the embedded store here
    os.chdir(copy)
    os.environ.update(environment)
