"""The tracking store: the only module that logs to MLflow."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpoe.errors import TrackingError, UnreachableError
from hpoe.params import NAME, load_name
from hpoe.reporting import say
from hpoe.settings import load_settings
from hpoe.tracking.mlflow_errors import (
    ask_health,
    failure,
    failures,
    first_line,
    is_outage,
    translate_errors,
)
from hpoe.tracking.records import RunRecord, StageRecord
from hpoe.tracking.sqlite import artifacts_folder, database_file, opening, sqlite_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Metric

FORMER_NAME = "hpoe"
"""Of the experiment of `hpoe-digits` before experiments were named like their projects."""
UID = "hpoe.uid"
"""The tag by which a run is found again in any store."""
PARENT = "mlflow.parentRunId"
STORE = Path("mlruns")
POINTS_PER_CALL = 1000  # the most that MLflow's log_batch takes
TAGS_PER_CALL = 100
PAUSES = (1, 4)
"""Seconds before a delivery that failed is tried again."""
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")


def tracking_uri(configured: str) -> str:
    """The configured address of the store, or that of the embedded one under mlruns/."""
    return configured or sqlite_uri(STORE / "mlflow.db")


def project_name() -> str:
    """The name of the registered model and of the experiment: HPOE_MODEL, or params.yaml's.

    Raises:
        SettingsError, ParamsError: a setting is wrong, or params.yaml is not YAML.
    """
    return load_settings().model or load_name()


def check_address(configured: str) -> None:
    """Check the address of a store before any work begins.

    Raises:
        TrackingError: MLflow does not support this address.
    """
    scheme = tracking_uri(configured).partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise TrackingError(
            f"MLFLOW_TRACKING_URI is {configured}, which is not the address of a tracking store: "
            "use the address of a server (http, https) or of a database "
            f"({', '.join(SCHEMES[2:])}), or unset it for the embedded store"
        )


def connect(configured: str) -> "MlflowClient":
    """Open a tracking store and its registry; create a SQLite store that is missing.

    Raises:
        UnreachableError: the server does not answer, or its database does not.
        TrackingError: the address is not a store's, the store cannot be used, or the login is
            refused.
    """
    check_address(configured)
    uri = tracking_uri(configured)
    quieten_mlflow()
    ask_health(uri)
    database = database_file(uri)
    with opening(database) if database else nullcontext(), translate_errors(uri):
        from mlflow import MlflowClient

        return MlflowClient(uri, uri)


def run_ui(configured: str, port: int) -> None:
    """Become MLflow's server for a SQLite store, on this machine only.

    Raises:
        TrackingError: the store is a server, which has a UI of its own, or cannot be used.
    """
    uri = tracking_uri(configured)
    database = database_file(uri)
    if database is None:
        raise TrackingError(f"the runs are in {uri}, which is no SQLite store: open its own UI")
    Tracker(configured)  # creates the store, or mends one that was moved
    os.environ.update(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    server += ["--port", str(port), "--backend-store-uri", uri]
    server += ["--default-artifact-root", artifacts_folder(database).as_uri()]
    os.execv(sys.executable, server)  # noqa: S606 - without a shell on purpose


@dataclass(frozen=True)
class TopLevelRun:
    """A top-level run and the state that produced it."""

    name: str
    commit: str
    files: Path
    """The folder with its artifacts."""


class Tracker:
    """Delivers records to one MLflow store.

    Delivering is idempotent: runs are found by their uid, and MLflow keeps a point once however
    often it is logged with the same key, timestamp, step and value.
    """

    def __init__(self, configured_uri: str, name: str | None = None) -> None:
        """Connect, and create the store or the experiment if it is missing.

        Args:
            configured_uri: of the store; empty for the embedded one.
            name: of the experiment; by default that of the project in this folder.

        Raises:
            UnreachableError: the server does not answer, or its database does not.
            TrackingError: the store cannot be used, or the login is refused.
        """
        self._uri = tracking_uri(configured_uri)
        self.name = name or project_name()
        self._client = connect(configured_uri)
        self._experiment: str | None = None
        self._ids: dict[str, str] = {}
        self._complete: set[str] = set()  # children that are delivered
        with translate_errors(self._uri):
            self._experiment = self._find_or_create_experiment()

    @property
    def experiment(self) -> str:
        """MLflow's id of the experiment."""
        if self._experiment is None:
            self._experiment = self._find_or_create_experiment()
        return self._experiment

    def deliver(self, record: StageRecord) -> None:
        """Bring MLflow up to date with the record, in at most three attempts.

        Each attempt looks for the experiment and the runs again, which somebody may have deleted.

        Raises:
            UnreachableError: the store failed each time; what was delivered stays.
        """
        for pause in (*PAUSES, None):
            try:
                self._deliver_all(record)
                return
            except failures() as error:
                if pause is None:
                    raise UnreachableError(str(failure(self._uri, error))) from None
                self._experiment = None
                self._ids.clear()
                self._complete.clear()
                if is_outage(error):
                    time.sleep(pause)

    def sample_system_metrics(self, uid: str) -> Callable[[], None]:
        """Sample system metrics into a delivered run; return the function that stops it."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(self._ids[uid], tracking_uri=self._uri)
        monitor.start()
        stop: Callable[[], None] = monitor.finish
        return stop

    def top_level_run(self, run: str, folder: Path) -> TopLevelRun:
        """Find the top-level run above a run, or the run itself; download its files to a folder.

        Raises:
            TrackingError: the store has no such run, or the run has no commit.
        """
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_run(run)
            while PARENT in found.data.tags:
                found = self._client.get_run(found.data.tags[PARENT])
        except MlflowException as error:
            raise TrackingError(
                f"{self._uri} has no run {run} ({first_line(error)}): `hpoe ui` shows the runs"
            ) from None
        commit = found.data.tags.get("mlflow.source.git.commit")
        if commit is None:
            raise TrackingError(
                f"run {run} was made outside a git repository: no commit to restore"
            )
        files = self._client.download_artifacts(found.info.run_id, "", str(folder))
        return TopLevelRun(str(found.info.run_name), commit, Path(files))

    def run_id(self, uid: str) -> str | None:
        """MLflow's id of a delivered run."""
        if uid not in self._ids:
            found = self._client.search_runs(
                [self.experiment], f"tags.`{UID}` = '{uid}'", max_results=1
            )
            if not found:
                return None
            self._ids[uid] = found[0].info.run_id
        return self._ids[uid]

    def _deliver_all(self, record: StageRecord) -> None:
        pipeline = self._deliver(record.pipeline, parent=None)
        stage = self._deliver(record.stage, parent=pipeline)
        for child in record.stage.children:
            if child.uid not in self._complete:
                self._deliver(child, parent=stage)
                self._complete.add(child.uid)

    def _deliver(self, record: RunRecord, parent: str | None) -> str:
        run_id = self.run_id(record.uid) or self._create(record, parent)
        self._log_values(run_id, record, parent)
        self._log_datasets(run_id, record)
        for path, folder in record.artifacts.items():
            self._client.log_artifact(run_id, path, folder or None)
        if record.status == "RUNNING":
            self._client.update_run(run_id, status="RUNNING")
        else:
            self._client.set_terminated(run_id, record.status, record.end)
        return run_id

    def _create(self, record: RunRecord, parent: str | None) -> str:
        run = self._client.create_run(
            self.experiment, record.start, _identity(record, parent), record.name
        )
        self._ids[record.uid] = run_id = str(run.info.run_id)
        if parent is None:  # stages have runs already where a top-level run was deleted
            stages = f"tags.kind = 'stage' and tags.execution = '{record.uid}'"
            for stage in self._client.search_runs([self.experiment], stages):
                self._client.set_tag(stage.info.run_id, PARENT, run_id)
        return run_id

    def _log_values(self, run_id: str, record: RunRecord, parent: str | None) -> None:
        from mlflow.entities import Metric

        end = record.end or record.start
        points = [Metric(key, value, end, 0) for key, value in record.metrics.items()]
        for key, values in record.curves.items():
            times = zip(values, record.timestamps, strict=True)
            points += [Metric(key, value, at, step) for step, (value, at) in enumerate(times, 1)]
        tags = {key: self._linked(value) for key, value in record.tags.items()}
        tags |= _identity(record, parent)
        log_values(self._client, run_id, points, record.params, tags)

    def _linked(self, value: str) -> str:
        """Return a tag's value, with a link to another run replaced by its MLflow id if known."""
        if not value.startswith("uid:"):
            return value
        return self.run_id(value.removeprefix("uid:")) or value

    def _log_datasets(self, run_id: str, record: RunRecord) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(data.name, data.md5, "local", json.dumps({"uri": data.path})),
                [InputTag("mlflow.data.context", data.context)],
            )
            for data in record.datasets
        ]
        if inputs:
            self._client.log_inputs(run_id, inputs)

    def _find_or_create_experiment(self) -> str:
        """Return MLflow's id of the experiment; restore it if it was deleted."""
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(self.name)
        if experiment is None and self.name == NAME:
            experiment = self._renamed()
        if experiment is not None:
            if experiment.lifecycle_stage == "deleted":
                self._client.restore_experiment(experiment.experiment_id)
                say(f"warning: the experiment {self.name} was deleted in MLflow and is restored")
            return str(experiment.experiment_id)
        database = database_file(self._uri)
        location = artifacts_folder(database).as_uri() if database else None
        try:
            return str(self._client.create_experiment(self.name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._find_or_create_experiment()  # another stage has just created it

    def _renamed(self) -> "Experiment | None":
        """The experiment of an earlier version of hpoe, under its new name; None without one."""
        former = self._client.get_experiment_by_name(FORMER_NAME)
        if former is None or former.lifecycle_stage == "deleted":
            return None
        self._client.rename_experiment(former.experiment_id, self.name)
        return self._client.get_experiment_by_name(self.name)


def _identity(record: RunRecord, parent: str | None) -> dict[str, str]:
    """The tags by which a run is found, below its parent."""
    return {UID: record.uid, **({PARENT: parent} if parent else {})}


def log_values(
    client: "MlflowClient",
    run_id: str,
    points: "Sequence[Metric]",
    params: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    """Log points of metrics, params and tags to a run, as many per call as MLflow takes."""
    from mlflow.entities import Param, RunTag

    given = [Param(key, value) for key, value in params.items()]
    labels = [RunTag(key, value) for key, value in tags.items()]
    for first in range(0, max(len(given), len(labels)), TAGS_PER_CALL):
        part = slice(first, first + TAGS_PER_CALL)
        client.log_batch(run_id, params=given[part], tags=labels[part])
    for first in range(0, len(points), POINTS_PER_CALL):
        client.log_batch(run_id, points[first : first + POINTS_PER_CALL])


def quieten_mlflow() -> None:
    """Turn off MLflow's messages and retries; to be called before MLflow is imported.

    When a reply is lost, MLflow's retry would create a run twice; `Tracker` looks for it first.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
