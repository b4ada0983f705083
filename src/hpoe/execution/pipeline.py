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
PUBLISHED, NETWORKS = REPORTS / "published.json", Path("data/networks.json")
PAPER_STAGES = Path("paper/dvc.yaml")
"""Hidden from DVC by .dvcignore: only `hpoe replicate` runs these stages, in copies."""

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


def record_path(stage: str, variant: str | None = None) -> Path:
    """Where the record of a stage's newest run is."""
    folder = RECORDS if stage in _stages() else PAPER_RECORDS
    return folder / f"{stage_label(stage, variant)}.json"


def _stages() -> dict[str, dict[str, Any]]:
    stages: dict[str, dict[str, Any]]
    stages = yaml.load(Path("dvc.yaml").read_bytes(), yaml.CSafeLoader)["stages"]
    return stages
