"""Environments of their own, what an extra of hpoe installs, and Python without all the rest."""

import os
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def installed_by(extra: str) -> set[str]:
    """The distributions that `pip install 'hpoe[EXTRA]'` installs."""
    found, pending = set(), [("hpoe", frozenset({extra}))]
    while pending:
        name, extras = pending.pop()
        if (name, extras) in found:
            continue
        found.add((name, extras))
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            values = [{"extra": each} for each in (*extras, "")]
            if needed.marker is None or any(map(needed.marker.evaluate, values)):
                pending.append((needed.name, frozenset(needed.extras)))
    return {normal(name) for name, _ in found}


def normal(name: str) -> str:
    """A distribution's name in the form in which names are compared."""
    return name.lower().replace("_", "-").replace(".", "-")


def block_others(extra: str, folder: Path) -> None:
    """Write a `sitecustomize` without which no module but an extra's can be imported."""
    there = installed_by(extra)
    blocked = {
        module
        for module, owners in packages_distributions().items()
        if not there & set(map(normal, owners))
    }
    (folder / "sitecustomize.py").write_text(BLOCKER.format(blocked=blocked))


def installed(what: str, folder: Path, *options: str) -> Path:
    """The folder of programs of a new environment, in which something was installed with pip."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    install = ["install", "--constraint", str(CONSTRAINTS), what, *options]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    subprocess.run([str(folder / "venv/bin/pip"), "--quiet", *install], env=clean, check=True)
    return folder / "venv/bin"
