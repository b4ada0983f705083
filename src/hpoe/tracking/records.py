"""Records of runs as files: everything that MLflow shows of a run is in its record first.

A pipeline execution is one top-level run, with one child run per stage and, below a layer stage,
one per digit. A record holds its timestamps, so that a failed delivery is repaired by delivering
the same record again.
"""

import getpass
import hashlib
import json
import os
import platform
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hpoe import __version__
from hpoe.files import digest, write_bytes, write_json
from hpoe.method.processor import processor
from hpoe.params import Params, flatten
from hpoe.tracking.git import OWN_SOURCES, git_tags, has_own_sources

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Dataset(BaseModel):
    """Data that a run used, with DVC's digest."""

    name: str
    path: str
    md5: str
    context: str


class RunRecord(BaseModel):
    """Everything that MLflow shows of a run."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # a training that diverged has NaN

    uid: str
    """Identifies the run in every store; MLflow's run id is different in each."""
    name: str
    start: int = Field(default_factory=now)
    """Milliseconds since 1970, as all times here."""
    end: int | None = None
    status: Status = "RUNNING"
    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    """Single values, logged with the time `end`."""
    curves: dict[str, list[float]] = {}
    """Values per epoch, from epoch 1."""
    timestamps: list[int] = []
    """The time of each epoch."""
    artifacts: dict[str, str] = {}
    """Files, each with its folder among the run's artifacts."""
    datasets: list[Dataset] = []
    children: list["RunRecord"] = []

    def finish(self, status: Status) -> None:
        """Close the run."""
        self.status, self.end = status, now()


class StageRecord(BaseModel):
    """A stage's run and what it adds to the top-level run of its execution."""

    pipeline: RunRecord
    stage: RunRecord

    def finish(self, status: Status) -> None:
        """Close both runs."""
        self.pipeline.finish(status)
        self.stage.finish(status)


def save_record(path: Path, record: StageRecord) -> None:
    """Write a stage's record."""
    write_bytes(path, record.model_dump_json().encode() + b"\n")


def load_record(path: Path) -> StageRecord:
    """Read a stage's record."""
    return StageRecord.model_validate_json(path.read_bytes())


def stage_uid(execution: str, label: str) -> str:
    """The uid of a stage's run in an execution."""
    return f"{execution}.{label}"


def execution_uid(state: Path, params: Params, data: str | None) -> str:
    """Find the execution with these params, code and data, or start one; return its uid.

    All stages of one `dvc repro`, also if it is resumed after a kill, belong to one execution.
    `data` is a digest of the split, None before the split exists.
    """
    path = state / "executions" / f"{execution_key(params)}.json"
    known = json.loads(path.read_text()) if path.exists() else None
    if known and (data is None or known["data"] in (None, data)):
        uid = str(known["uid"])
        if data is None or known["data"] == data:
            return uid
    else:
        uid = uuid.uuid4().hex
    write_json(path, {"uid": uid, "data": data})
    return uid


def execution_key(params: Params) -> str:
    """A digest of the params and of the code that reads them."""
    folder = OWN_SOURCES if has_own_sources() else Path(__file__).parents[2]
    sources = [Path("dvc.yaml"), *sorted(Path("pipelines").glob("*.py"))]
    for package in ("hpoe", "hpoe_recognition"):
        sources += sorted((folder / package).rglob("*.py"))
    parts = [params.model_dump_json(), *(digest(path) for path in sources if path.exists())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def pipeline_record(uid: str, params: Params, patch: bytes) -> RunRecord:
    """The top-level run of an execution: params, library versions, and whether code was changed."""
    tags = {f"version.{name}": version(name) for name in ("torch", "numpy", "scikit-learn", "dvc")}
    tags |= {"version.hpoe": __version__, "version.python": platform.python_version()}
    tags |= {"kind": "pipeline", "execution": uid, "mlflow.source.name": "dvc.yaml"}
    tags |= {"processor": processor().name}
    tags |= {"mlflow.user": _user(), **git_tags(patch)}
    name = f"{'+'.join(params.train)}-{uid[:6]}"
    return RunRecord(
        uid=uid,
        name=name,
        tags=tags,
        params=flatten(params.model_dump(mode="json")),
        artifacts={"params.yaml": ""},
    )


def _user() -> str:
    """The user's name, or the number where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
