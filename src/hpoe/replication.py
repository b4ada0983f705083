"""The paper's experiments: the pipeline run with its networks and several seeds, results kept.

What is kept are small files, a folder a seed, so that the report is drawn again without training.
"""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hpoe.errors import ReplicationError
from hpoe.files import write_bytes, write_json
from hpoe.nets import averaged
from hpoe.settings import Settings
from hpoe.tracking import Tracker, tracking_uri

SEEDS = (1, 2, 3)
NETWORKS = ("h25", "h100", "h200", "h400", "h500")
"""Of Table 2, by ascending size."""
AVERAGED = NETWORKS[1:]
"""Whose scores the paper averages: all of 100 hidden units or more."""
RESULTS = Path("docs/replication")
KEPT = ("metrics.json", "shift_normalization.json", "all_predictions.csv", "shift_choices.csv")
"""Of reports/, what the report is drawn from."""
FIGURES = (*(f"paper/figure{number}.png" for number in range(1, 7)), "misclassified.png")
FIGURES += ("shift_normalization.png", "shift_mended.png")
"""Of reports/figures/, kept of the first seed."""
FORMAT = 1


@dataclass(frozen=True)
class Results:
    """What one seed gave."""

    seed: int
    errors: dict[str, dict[str, dict[str, float]]]
    """Error rates by networks, then by method or layers: reports/metrics.json."""
    shifts: dict[str, dict[str, Any]]
    """Error rates by networks, then by choice among shifts: reports/shift_normalization.json."""
    predictions: pd.DataFrame
    """A row a validation or test image: set, index, label, and a column a classifier."""
    choices: pd.DataFrame
    """A row a version of an image: its shift, and how often models like it best."""


def replicate(
    settings: Settings, seeds: Sequence[int], root: Path, say: Callable[[str], None]
) -> None:
    """Run the pipeline once a seed, as a DVC experiment beside the working tree; keep its results.

    Raises:
        ReplicationError: a run failed; what it trained is kept, and the next goes on from it.
    """
    Tracker(settings.tracking_uri)  # makes the experiment, whose artifacts lie in this tree
    for seed in seeds:
        name = f"paper-seed-{seed}"
        say(f"{name}: {', '.join(NETWORKS)}; seed {seed}")
        command = ["dvc", "exp", "run", "--temp", "--force", "--name", name]
        for change in (
            f"seed={seed}",
            f"train=[{','.join(NETWORKS)}]",
            f"classifier.networks=[{','.join(AVERAGED)}]",
        ):
            command += ["--set-param", change]
        environment = {
            **os.environ,
            "HPOE_STATE_DIR": str(settings.state_dir.resolve()),
            "MLFLOW_TRACKING_URI": tracking_uri(settings.tracking_uri),
        }
        targets = ["paper_figures", "shift_normalization"]
        done = subprocess.run([*command, *targets], cwd=root, env=environment)
        if done.returncode:
            raise ReplicationError(
                f"{name} failed: the lines above say why; the same command goes on from the last "
                "checkpoint"
            )
        keep(name, seed, root)
    if subprocess.run(["dvc", "repro", "paper/dvc.yaml"], cwd=root).returncode:
        raise ReplicationError(
            "a method of Table 1 failed: the lines above say why; the same command goes on with it"
        )


def keep(experiment: str, seed: int, root: Path) -> None:
    """Copy an experiment's small results to the folder of its seed."""
    from dvc.api import read  # type: ignore[import-untyped]

    folder = root / RESULTS / f"seed{seed}"
    targets = {f"reports/{name}": folder / name for name in KEPT}
    if seed == SEEDS[0]:
        kept = root / RESULTS / "figures"
        targets |= {f"reports/figures/{name}": kept / Path(name).name for name in FIGURES}
    for source, target in targets.items():
        write_bytes(target, read(source, repo=str(root), rev=experiment, mode="rb"))
    write_json(folder / "results.json", {"format": FORMAT, "seed": seed})


def load_results(root: Path) -> list[Results]:
    """The kept results of every seed, by ascending seed.

    Raises:
        ReplicationError: there are none, or they lack a network or are of another version.
    """
    folders = sorted((root / RESULTS).glob("seed*/"))
    if not folders:
        raise ReplicationError(f"{RESULTS} has no results: `make paper` makes them, in some hours")
    return [_load(folder) for folder in folders]


def load_baselines(root: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Figures of Table 1's other methods that have run, by method and training set.

    Raises:
        ReplicationError: a file is damaged.
    """
    found = {}
    for path in sorted((root / RESULTS / "baselines").glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text())
        except ValueError as error:
            raise ReplicationError(
                f"{path} is damaged ({error}): delete it and run `make paper` again"
            ) from None
    return found


def _load(folder: Path) -> Results:
    again = "delete the folder and run `make paper` again"
    try:
        record = json.loads((folder / "results.json").read_text())
        errors, shifts = (json.loads((folder / name).read_text()) for name in KEPT[:2])
        predictions, choices = (pd.read_csv(folder / name) for name in KEPT[2:])
    except (OSError, ValueError) as error:
        raise ReplicationError(f"{folder} is incomplete or damaged ({error}): {again}") from None
    if record.get("format") != FORMAT:
        raise ReplicationError(
            f"{folder} has results of format {record.get('format')}, this hpoe reads {FORMAT}: "
            f"{again}"
        )
    missing = [name for name in (*NETWORKS, averaged(AVERAGED)) if name not in errors]
    if missing:
        raise ReplicationError(f"{folder} has no results of {', '.join(missing)}: {again}")
    return Results(record["seed"], errors, shifts, predictions, choices)
