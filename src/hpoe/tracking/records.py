"""Records of runs as files: everything that MLflow shows of a run is in its record first.

A pipeline execution is one top-level run, with one child run per stage and, below a layer stage,
one per digit. A record holds its timestamps, so that a failed delivery is repaired by delivering
the same record again.
"""

import getpass
import hashlib
import json
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
from hpoe.tracking.git import git_tags

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Dataset(BaseModel):
    """Data that a run used, with the digest by which DVC knows it."""

    name: str
    path: str
    md5: str
    context: str


class RunRecord(BaseModel):
    """A run: what MLflow shows of it."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # a training that diverged is shown so

    uid: str
    """Names the run wherever it is delivered; MLflow's own run id depends on the store."""
    name: str
    start: int = Field(default_factory=lambda: now())
    """Milliseconds since 1970, as all times here."""
    end: int | None = None
    status: Status = "RUNNING"
    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    """Single values, of the time `end`."""
    curves: dict[str, list[float]] = {}
    """Values by epoch, from epoch 1."""
    timestamps: list[int] = []
    """The time of each epoch's values."""
    artifacts: dict[str, str] = {}
    """Files, and the folder of the run's artifacts that each goes to."""
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


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


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
    """The uid of the execution with these params, code and data: the one under way, or a new one.

    All stages of one `dvc repro`, and of one resumed after a kill, find the same. `data` is a
    digest of the split, None while it is not yet made.
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
    sources = [Path("dvc.yaml"), *sorted(Path("pipelines").glob("*.py"))]
    sources += sorted(Path("src").rglob("*.py"))
    parts = [params.model_dump_json(), *(digest(path) for path in sources if path.exists())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def pipeline_record(uid: str, params: Params) -> RunRecord:
    """The top-level run of an execution: params, code and library versions."""
    tags = {f"version.{name}": version(name) for name in ("torch", "numpy", "scikit-learn", "dvc")}
    tags |= {"version.hpoe": __version__, "version.python": platform.python_version()}
    tags |= {"kind": "pipeline", "execution": uid, "mlflow.source.name": "dvc.yaml"}
    tags |= {"processor": processor().name}
    tags |= {"mlflow.user": getpass.getuser(), **git_tags()}
    name = f"{'+'.join(params.train)}-{uid[:6]}"
    return RunRecord(
        uid=uid,
        name=name,
        tags=tags,
        params=flatten(params.model_dump(mode="json")),
        artifacts={"params.yaml": ""},
    )
