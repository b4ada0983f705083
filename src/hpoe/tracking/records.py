"""What is known of a run, as files: MLflow is told what stands here, and can be told again.

A pipeline execution is one top-level run; under it a run a stage, under a layer stage a run a
digit. Everything MLflow shows of a run is first in its record, with its timestamps, so that a
delivery that failed is mended by delivering the same record again.
"""

import getpass
import hashlib
import json
import os
import platform
import subprocess
import tempfile
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hpoe import __version__
from hpoe.files import digest, write_bytes, write_json
from hpoe.params import Params, flatten

RECORDS = Path("reports/runs")
"""Where the stages' records are, among their outputs."""
STAGES = (
    "download",
    "split",
    "train_layer1",
    "train_layer2",
    "train_layer3",
    "extract_goodness",
    "fit_classifier",
    "evaluate",
    "paper_figures",
    "shift_normalization",
    "register",
    "baseline",
    "usps",
    "shared_model",
    "joint_model",
    "ladder",
)
"""The pipeline's stages, upstream first."""

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


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def save_record(path: Path, record: StageRecord) -> None:
    """Write a stage's record."""
    write_bytes(path, record.model_dump_json().encode() + b"\n")


def load_record(path: Path) -> StageRecord:
    """Read a stage's record."""
    return StageRecord.model_validate_json(path.read_bytes())


def stage_label(stage: str, variant: str | None = None) -> str:
    """A stage's name with its variant, as DVC writes it."""
    return stage if variant is None else f"{stage}@{variant}"


def stage_uid(execution: str, label: str) -> str:
    """The uid of a stage's run in an execution."""
    return f"{execution}.{label}"


def record_path(stage: str, variant: str | None = None) -> Path:
    """Where the record of a stage's newest run is."""
    return RECORDS / f"{stage_label(stage, variant)}.json"


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


def _processor() -> str:
    """What Linux calls the processor: its matrix products decide the last digits of weights."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def pipeline_record(uid: str, params: Params) -> RunRecord:
    """The top-level run of an execution: params, code and library versions."""
    tags = {f"version.{name}": version(name) for name in ("torch", "numpy", "scikit-learn", "dvc")}
    tags |= {"version.hpoe": __version__, "version.python": platform.python_version()}
    tags |= {"kind": "pipeline", "execution": uid, "mlflow.source.name": "dvc.yaml"}
    tags |= {"processor": _processor()}
    tags |= {"mlflow.user": getpass.getuser(), **git_tags()}
    name = f"{'+'.join(params.train)}-{uid[:6]}"
    return RunRecord(
        uid=uid,
        name=name,
        tags=tags,
        params=flatten(params.model_dump(mode="json")),
        artifacts={"params.yaml": ""},
    )


def git_tags() -> dict[str, str]:
    """The commit, and whether anything but params.yaml and stage outputs differs from it."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {
        "mlflow.source.git.commit": commit.strip(),
        "git.dirty": str(bool(code_patch())).lower(),
    }


def code_patch() -> str:
    """What the code differs by from the commit, as a patch that `git apply` takes."""
    with tempfile.TemporaryDirectory() as scratch:  # an index of its own, to see new files too
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        if _git("read-tree", "HEAD", **index) is None:
            return ""
        code = [path for path in ("src", "pipelines", "dvc.yaml") if Path(path).exists()]
        _git("add", "--all", "--", *code, **index)
        plain = ("--no-ext-diff", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
        return _git("diff", "--cached", "--binary", *plain, "HEAD", "--", *code, **index) or ""


def _git(*arguments: str, **environment: str) -> str | None:
    """What git prints; None outside a repository or where git is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
