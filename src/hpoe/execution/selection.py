"""Outputs of networks that params.yaml does not train any more, in folders that stages depend on.

DVC leaves them where they are, and the folder is then another one than without them.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from hpoe.execution.pipeline import outputs_of_networks
from hpoe.files import digest


def remove_unselected(networks: Sequence[str], say: Callable[[str], None]) -> None:
    """Remove the outputs of all other networks, which DVC restores from its cache when needed."""
    others = [path for path, network in outputs_of_networks() if network not in networks]
    if not others:
        return
    shown = subprocess.run(["dvc", "cache", "dir"], capture_output=True, check=True).stdout
    cache = Path(os.fsdecode(shown.removesuffix(b"\n"))) / "files/md5"
    for path in others:
        name = digest(path, "md5")
        if (cache / name[:2] / name[2:]).exists():
            path.unlink()
        else:
            say(
                f"{path} is of no network that is trained, and not in DVC's cache: remove it, "
                "or later stages will run again"
            )
