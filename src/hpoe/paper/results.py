"""The results that the replication keeps: read and checked, one folder per experiment."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hpoe.errors import ReplicationError
from hpoe.evaluation.fits import averaged

NETWORKS = ("h25", "h100", "h200", "h400", "h500")
"""The networks of Table 2, by ascending size."""
AVERAGED = NETWORKS[1:]
"""The networks whose scores the paper averages: all with 100 hidden units or more."""
RESULTS = Path("docs/replication")
RECORD = "results.json"
"""In every experiment's folder: the format of its files, and its seed."""
FORMAT = 1
METRICS, SHIFTS, PREDICTIONS = "metrics.json", "shift_normalization.json", "all_predictions.csv"
CHOICES, LADDER, LADDER_PREDICTIONS = "shift_choices.csv", "ladder.json", "ladder_predictions.csv"
SECONDS, DIGESTS = "core_seconds.json", "digests.json"
SEED_FILES = (METRICS, SHIFTS, PREDICTIONS, CHOICES)


@dataclass(frozen=True)
class Kept:
    """The results of one experiment."""

    seed: int
    files: dict[str, Any]
    """Contents by file name: JSON, or a DataFrame for CSV."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        return self.files[name]


@dataclass(frozen=True)
class Results:
    """All results that are kept, by ascending seed; empty for what has not been run."""

    seeds: list[Kept]
    """Table 2's networks: the files of the pipeline's reports, and seconds of training per core."""
    ladders: list[Kept]
    """The ablation: error rates of each variant, and predictions."""
    pairs: list[Kept]
    """Table 2's networks on 7s and 9s alone: predictions."""
    others: dict[str, Any]
    """Table 1's other methods and section 6: figures by file name without suffix."""
    sizes: dict[int, dict[str, float]]
    """Error rates of the default network, by unsupervised images per digit."""
    classes: dict[int, Kept]
    """The default network by number of digits: metrics, and digests of its RBMs by path."""


def load_results(root: Path) -> Results:
    """Read everything in docs/replication.

    Raises:
        ReplicationError: there is nothing, or it is damaged or of another version.
    """
    if not list((root / RESULTS).glob(f"*/{RECORD}")):
        raise ReplicationError(f"{RESULTS} has no results: run `make paper` (some hours)")

    def read(prefix: str, *needed: str) -> dict[int, Kept]:
        """Read the experiments whose names are the prefix and a number, by that number."""
        folders = (root / RESULTS).glob(f"{prefix}*/")
        by_number = {int(folder.name.removeprefix(prefix)): folder for folder in folders}
        return {number: _read(folder, *needed) for number, folder in sorted(by_number.items())}

    others = root / RESULTS / "others"
    return Results(
        seeds=list(read("seed", *SEED_FILES).values()),
        ladders=list(read("ladder", LADDER, LADDER_PREDICTIONS).values()),
        pairs=list(read("seven_or_nine", PREDICTIONS).values()),
        others={Path(name).stem: content for name, content in _read(others).files.items()}
        if others.exists()
        else {},
        sizes={images: each[METRICS] for images, each in read("images", METRICS).items()},
        classes=read("classes", METRICS, DIGESTS),
    )


def _read(folder: Path, *needed: str) -> Kept:
    """Read an experiment's files, and check that the needed ones are among them."""
    remedy = f"delete {folder.name} and run `make paper` again"
    try:
        files = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
        files |= {path.name: pd.read_csv(path) for path in folder.glob("*.csv")}
        record = files.pop(RECORD)
        found = {name: files[name] for name in needed}
    except (OSError, ValueError, KeyError) as error:
        raise ReplicationError(f"{folder} is incomplete or damaged ({error}): {remedy}") from None
    found_format = record.get("format")
    if found_format != FORMAT:
        raise ReplicationError(
            f"{folder} has results of format {found_format}, this hpoe reads {FORMAT}: {remedy}"
        )
    networks = (*NETWORKS, averaged(AVERAGED)) if SHIFTS in found else ()
    missing = [name for name in networks if name not in found[METRICS]]
    if missing:
        raise ReplicationError(f"{folder} has no results of {', '.join(missing)}: {remedy}")
    return Kept(record["seed"], files)
