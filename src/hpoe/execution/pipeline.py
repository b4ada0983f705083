"""The pipeline as dvc.yaml describes it: the names of its stages, the places of their outputs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

RAW, SPLIT, USPS = Path("data/raw"), Path("data/split"), Path("data/usps/split")
GOODNESS, MODELS, CLASSIFIER = Path("data/goodness"), Path("models"), Path("models/classifier")
REPORTS, FIGURES, PAPER = Path("reports"), Path("reports/figures"), Path("reports/paper")
RECORDS, PAPER_RECORDS = REPORTS / "runs", PAPER / "runs"
"""The records of the stages of dvc.yaml, and of those of paper/dvc.yaml."""
PUBLISHED = REPORTS / "published.json"
SELECTED = Path("data/networks.json")
"""The names of the networks that are trained."""

DataSet = Literal["mnist", "usps"]
DATA_SETS: dict[DataSet, Path] = {"mnist": SPLIT, "usps": USPS}
"""The split images of each data set."""


def stage_label(stage: str, variant: str | None = None) -> str:
    """A stage's name with its variant, as DVC writes it."""
    return stage if variant is None else f"{stage}@{variant}"


def stage_labels(networks: Sequence[str]) -> list[str]:
    """Return the labels of all stages, in the order of dvc.yaml; those of variants, per network."""
    labels = []
    for stage, description in _stages().items():
        variants = networks if "matrix" in description else (None,)
        labels += [stage_label(stage, variant) for variant in variants]
    return labels


def exists_per_network(stage: str) -> bool:
    """Whether a stage exists once per network."""
    return "network" in _stages().get(stage, {}).get("matrix", ())


def outputs_of_networks() -> list[tuple[Path, str]]:
    """The files that exist of any network in folders that all networks share; with its name."""
    found = []
    for stage in filter(exists_per_network, _stages()):
        for output in map(Path, _stages()[stage]["outs"]):
            start, variable, end = output.name.partition("${item.network}")
            if variable:
                names = output.parent.glob(f"{start}*{end}")
                found += [(path, path.name[len(start) :].removesuffix(end)) for path in names]
    return found


def uncached_outputs() -> list[Path]:
    """The outputs of which DVC has no copy: git has them, or nobody."""
    found = []
    for description in _stages().values():
        for kind in ("outs", "metrics", "plots"):
            for output in description.get(kind, ()):
                if isinstance(output, dict):
                    found += [Path(path) for path, how in output.items() if not how.get("cache", 1)]
    return found


def record_path(stage: str, variant: str | None = None) -> Path:
    """Where the record of a stage's newest run is."""
    folder = RECORDS if stage in _stages() else PAPER_RECORDS
    return folder / f"{stage_label(stage, variant)}.json"


def _stages() -> dict[str, dict[str, Any]]:
    stages: dict[str, dict[str, Any]]
    stages = yaml.load(Path("dvc.yaml").read_bytes(), yaml.CSafeLoader)["stages"]
    return stages
