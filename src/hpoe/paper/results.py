"""The small results that the replication keeps: read, checked, and refused if they do not fit."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hpoe.errors import ReplicationError
from hpoe.evaluation.fits import averaged

NETWORKS = ("h25", "h100", "h200", "h400", "h500")
"""Of Table 2, by ascending size."""
AVERAGED = NETWORKS[1:]
"""Whose scores the paper averages: all of 100 hidden units or more."""
RESULTS = Path("docs/replication")
RECORD = "results.json"
"""In every experiment's folder: the format of its files, and its seed."""
FORMAT = 1
SEED_FILES = (
    "metrics.json",
    "shift_normalization.json",
    "all_predictions.csv",
    "shift_choices.csv",
)
LADDER_FILES = ("ladder.json", "ladder_predictions.csv")
PAIR_FILES = ("all_predictions.csv",)
SECONDS, DIGESTS = "core_seconds.json", "digests.json"


@dataclass(frozen=True)
class SeedResults:
    """What one seed gave for Table 2's networks."""

    seed: int
    errors: dict[str, dict[str, dict[str, float]]]
    """Error rates by networks, then by method or layers: reports/metrics.json."""
    shifts: dict[str, dict[str, Any]]
    """Error rates by networks, then by choice among shifts: reports/shift_normalization.json."""
    predictions: pd.DataFrame
    """A row a validation or test image: set, index, label, and a column a classifier."""
    choices: pd.DataFrame
    """A row a version of an image: its shift, and how often models like it best."""
    core_seconds: dict[str, Any]
    """Seconds that one core trained each layer, by network, and the processor, or nothing."""


@dataclass(frozen=True)
class PairResults:
    """What one seed gave for Table 2's networks of two digits alone."""

    seed: int
    predictions: pd.DataFrame
    """A row a validation or test image: set, index, label, and a column a classifier."""


@dataclass(frozen=True)
class LadderResults:
    """What one seed gave for the steps to the best system."""

    seed: int
    chosen: str
    """Name of the rung with the fewest validation errors."""
    rungs: dict[str, dict[str, Any]]
    """By name: step, networks, the number chosen, and error rates."""
    predictions: pd.DataFrame
    """A row a validation or test image: set, index, label, and a column a rung."""


@dataclass(frozen=True)
class ClassesResults:
    """The default network of the first so many digits."""

    errors: dict[str, Any]
    """Error rates and calibration: reports/metrics.json."""
    digests: dict[str, str]
    """Of its RBMs' files, by path."""


@dataclass(frozen=True)
class Results:
    """All that was kept. What has not been run is empty."""

    seeds: list[SeedResults]
    ladders: list[LadderResults]
    pairs: list[PairResults]
    others: dict[str, dict[str, Any]]
    """Figures of Table 1's other methods and of section 6, by file."""
    sizes: dict[int, dict[str, float]]
    """Error rates of the default network by unsupervised images a digit."""
    classes: dict[int, ClassesResults]
    """By number of digits."""


def load_results(root: Path) -> Results:
    """Everything that docs/replication holds, by ascending seed and size.

    Raises:
        ReplicationError: there is nothing, or it is damaged or of another version.
    """
    kept = root / RESULTS
    if not list(kept.glob(f"*/{RECORD}")):
        raise ReplicationError(f"{RESULTS} has no results: `make paper` makes them, in some hours")
    sizes = {
        int(folder.name.removeprefix("images")): _read(folder, "metrics.json")["metrics.json"]
        for folder in kept.glob("images*/")
    }
    classes = {
        int(folder.name.removeprefix("classes")): _classes(folder)
        for folder in kept.glob("classes*/")
    }
    return Results(
        seeds=[_seed(folder) for folder in sorted(kept.glob("seed*/"))],
        ladders=[_ladder(folder) for folder in sorted(kept.glob("ladder*/"))],
        pairs=[_pair(folder) for folder in sorted(kept.glob("seven_or_nine*/"))],
        others={
            path.stem: _read(folder, path.name)[path.name]
            for folder in kept.glob("others/")
            for path in sorted(folder.glob("*.json"))
            if path.name != RECORD
        },
        sizes=dict(sorted(sizes.items())),
        classes=dict(sorted(classes.items())),
    )


def _seed(folder: Path) -> SeedResults:
    found = _read(folder, *SEED_FILES)
    seconds = _read(folder, SECONDS)[SECONDS] if (folder / SECONDS).exists() else {}
    errors, shifts, predictions, choices = (found[name] for name in SEED_FILES)
    missing = [name for name in (*NETWORKS, averaged(AVERAGED)) if name not in errors]
    if missing:
        raise ReplicationError(f"{folder} has no results of {', '.join(missing)}: {_again(folder)}")
    return SeedResults(found[RECORD]["seed"], errors, shifts, predictions, choices, seconds)


def _ladder(folder: Path) -> LadderResults:
    found = _read(folder, *LADDER_FILES)
    ladder, predictions = (found[name] for name in LADDER_FILES)
    rungs = {rung["name"]: rung for rung in ladder["rungs"]}
    return LadderResults(found[RECORD]["seed"], ladder["chosen"], rungs, predictions)


def _pair(folder: Path) -> PairResults:
    found = _read(folder, *PAIR_FILES)
    return PairResults(found[RECORD]["seed"], *(found[name] for name in PAIR_FILES))


def _classes(folder: Path) -> ClassesResults:
    names = ("metrics.json", DIGESTS)
    found = _read(folder, *names)
    return ClassesResults(*(found[name] for name in names))


def _read(folder: Path, *names: str) -> dict[str, Any]:
    """The contents of an experiment's record and of some of its files."""
    try:
        found = {
            name: pd.read_csv(folder / name)
            if name.endswith(".csv")
            else json.loads((folder / name).read_text())
            for name in (RECORD, *names)
        }
    except (OSError, ValueError) as error:
        raise ReplicationError(
            f"{folder} is incomplete or damaged ({error}): {_again(folder)}"
        ) from None
    if found[RECORD].get("format") != FORMAT:
        raise ReplicationError(
            f"{folder} has results of format {found[RECORD].get('format')}, this hpoe reads "
            f"{FORMAT}: {_again(folder)}"
        )
    return found


def _again(folder: Path) -> str:
    return f"delete {folder.name} and run `make paper` again"
