"""Projects as `hpoe init` makes them, for benchmarks that run the whole pipeline on other data."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.measuring import timed


def make(folder: Path, images: Path, changes: Mapping[str, object]) -> None:
    """Make a project for some images, with other values of some params, by dotted keys."""
    _run(folder.parent, "-m", "hpoe", "init", str(folder), "--images", str(images))
    change(folder, changes)


def change(folder: Path, changes: Mapping[str, object]) -> None:
    """Set params of a project."""
    yaml, path = YAML(), folder / "params.yaml"
    tree = yaml.load(path.read_bytes())
    for key, value in changes.items():
        *blocks, last = key.split(".")
        block = tree
        for name in blocks:
            block = block[name]
        block[last] = value
    with path.open("wb") as file:
        yaml.dump(tree, file)


def repro(folder: Path, *targets: str) -> float:
    """Run a project's pipeline, or only up to some stages; return the seconds that it took."""
    return timed(lambda: _run(folder, "-m", "dvc", "repro", *targets))[0]


def report(folder: Path, name: str) -> dict[str, Any]:
    """Read a report of a project."""
    found: dict[str, Any] = json.loads((folder / "reports" / name).read_text())
    return found


def stage_seconds(folder: Path) -> dict[str, float]:
    """Return how long each stage of a project took when it last ran."""
    runs = {
        path.stem: json.loads(path.read_text())["stage"]
        for path in (folder / "reports/runs").glob("*.json")
    }
    return {name: (run["end"] - run["start"]) / 1000 for name, run in runs.items()}


def _run(folder: Path, *arguments: str) -> None:
    """Run a command of the environment's Python with the code of this repository."""
    sources = str(Path(__file__).parents[1] / "src")
    environment = {**os.environ, "PYTHONPATH": sources, "MLFLOW_TRACKING_URI": ""}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True)
