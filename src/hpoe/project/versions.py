"""What of a project is of another version of hpoe than the one that is installed."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from hpoe import __version__

TEMPLATE = files("hpoe.project") / "templates/pipeline.yaml"


def stage_warning(pipeline: Path = Path("dvc.yaml")) -> str | None:
    """Say which stages of a project's pipeline differ from those of the installed hpoe, if any.

    Somebody has changed them, or another version of hpoe has made them. Stages that are only in the
    project are the user's own.
    """
    theirs, ours = _stages(pipeline.read_text()), _stages(TEMPLATE.read_text())
    differing = [name for name, stage in ours.items() if theirs.get(name) != stage]
    if not differing:
        return None
    return (
        f"warning: {pipeline} describes {', '.join(differing)} otherwise than hpoe {__version__} "
        f"does: compare with {TEMPLATE}"
    )


def _stages(text: str) -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load(text)["stages"]
    return stages
