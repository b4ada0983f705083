"""Copying runs and model versions from the embedded store to a tracking server.

Copies are recognised on the server by a run's uid or a version's tag: copying again adds nothing
and resumes where it was interrupted.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hpoe.errors import TrackingError
from hpoe.registration.registry import CANDIDATE, CHAMPION, HISTORY, champions
from hpoe.tracking.mlflow_errors import translate_errors
from hpoe.tracking.store import (
    PARENT,
    STORE,
    UID,
    Tracker,
    connect,
    log_values,
)

REUSED = "reused/"
PUSHED = "hpoe.pushed_from"
"""Tag of a copied version: the source of the original."""


def push(configured_uri: str, report: Callable[[str], None]) -> None:
    """Copy the embedded store's runs and model versions to the server.

    Raises:
        TrackingError: no server is named, there is no embedded store, or the server refuses.
        UnreachableError: the server does not answer; the same command resumes later.
    """
    if not configured_uri:
        raise TrackingError("MLFLOW_TRACKING_URI names no server: set it to the address to push to")
    if not (STORE / "mlflow.db").exists():
        raise TrackingError(f"{STORE / 'mlflow.db'} is missing: there are no runs to push")
    Tracker("")  # restores the experiment, should somebody have deleted it
    tracker = Tracker(configured_uri)
    with translate_errors(configured_uri):
        copy = _Copy(tracker, configured_uri)
        copied, all_runs = copy.runs()
        report(f"{copied} of {all_runs} runs pushed; the others were already there")
        for line in copy.versions():
            report(line)


class _Copy:
    """One copy operation, with the ids of each run on both sides."""

    def __init__(self, tracker: Tracker, uri: str) -> None:
        self._tracker = tracker
        self._here, self._there = connect(""), connect(uri)
        self._uri, self._name = uri, tracker.name
        self._ids: dict[str, str] = {}

    def runs(self) -> tuple[int, int]:
        """Copy the runs; return how many were copied now and how many there are."""
        found = sorted(self._all_runs(), key=lambda run: int(run.info.start_time))
        for run in found:
            self._ids[run.info.run_id] = self._find_or_create(run)
        incomplete = [run for run in found if not self._is_complete(run)]
        for run in incomplete:
            self._fill(run)
        return len(incomplete), len(found)

    def _all_runs(self) -> Iterator[Any]:
        experiment = self._here.get_experiment_by_name(self._name)
        token = None
        while experiment is not None:
            page = self._here.search_runs([experiment.experiment_id], page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _find_or_create(self, run: Any) -> str:  # noqa: ANN401 - MLflow's entity
        uid = run.data.tags.get(UID, run.info.run_id)
        known = self._tracker.run_id(uid)
        if known:
            return known
        made = self._there.create_run(
            self._tracker.experiment, run.info.start_time, {UID: uid}, run.info.run_name
        )
        return str(made.info.run_id)

    def _is_complete(self, run: Any) -> bool:  # noqa: ANN401 - MLflow's entity
        """Whether the copy has the run's status and end time, which are written last."""
        there = self._there.get_run(self._ids[run.info.run_id]).info
        return bool(there.status == run.info.status and there.end_time == run.info.end_time)

    def _fill(self, run: Any) -> None:  # noqa: ANN401 - MLflow's entity
        run_id = self._ids[run.info.run_id]
        tags = {key: self._linked(key, value) for key, value in run.data.tags.items()}
        points = [
            point
            for key in run.data.metrics
            for point in self._here.get_metric_history(run.info.run_id, key)
        ]
        log_values(self._there, run_id, points, run.data.params, tags)
        if run.inputs.dataset_inputs:
            self._there.log_inputs(run_id, run.inputs.dataset_inputs)
        if self._here.list_artifacts(run.info.run_id):
            with tempfile.TemporaryDirectory() as scratch:
                self._here.download_artifacts(run.info.run_id, "", scratch)
                self._there.log_artifacts(run_id, scratch)
        self._there.update_run(run_id, status=run.info.status)
        if run.info.end_time:
            self._there.set_terminated(run_id, run.info.status, run.info.end_time)

    def _linked(self, key: str, value: str) -> str:
        """Return a tag's value, with the id of a run replaced by the id of its copy."""
        return self._ids.get(value, value) if key == PARENT or key.startswith(REUSED) else value

    def versions(self) -> Iterator[str]:
        """Copy the model's versions, aliases and history of champions; yield what was done."""
        here = sorted(
            self._here.search_model_versions(f"name='{self._name}'"),
            key=lambda each: int(each.version),
        )
        if not here:
            return
        if not self._there.search_registered_models(f"name='{self._name}'"):
            self._there.create_registered_model(self._name)
        there = {
            each.tags[PUSHED]: int(each.version)
            for each in self._there.search_model_versions(f"name='{self._name}'")
            if PUSHED in each.tags
        }
        numbers = {}
        for version in here:
            known = there.get(str(version.source))
            number = known or self._copy_version(version)
            numbers[int(version.version)] = number
            if known is None:
                yield f"version {version.version} pushed as version {number}"
        yield from self._copy_aliases(numbers)

    def _copy_version(self, version: Any) -> int:  # noqa: ANN401 - MLflow's entity
        """Copy a version with its package; return its number on the server.

        The package is downloaded by path, because MLflow would look for `models:/` on the server.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.models import Model

        original = self._here.get_logged_model(str(version.source).removeprefix("models:/"))
        run = self._ids.get(str(version.run_id))
        logged = self._there.create_logged_model(
            self._tracker.experiment, name="model", source_run_id=run
        )
        with tempfile.TemporaryDirectory() as scratch:
            package = Path(download_artifacts(original.artifact_location, dst_path=scratch))
            described = Model.load(str(package))
            described.model_id, described.run_id = logged.model_id, run
            described.save(str(package / "MLmodel"))
            self._there.log_model_artifacts(logged.model_id, str(package))
        self._there.finalize_logged_model(logged.model_id, "READY")
        made = self._there.create_model_version(
            self._name,
            f"models:/{logged.model_id}",
            run,
            tags={**version.tags, PUSHED: version.source},
            model_id=logged.model_id,
        )
        return int(made.version)

    def _copy_aliases(self, numbers: dict[int, int]) -> Iterator[str]:
        """Set the copies' aliases, unless the server's model has them already."""
        here, there = (side.get_registered_model(self._name) for side in (self._here, self._there))
        for alias in (CHAMPION, CANDIDATE):
            if alias not in here.aliases:
                continue
            number, held = numbers[int(here.aliases[alias])], there.aliases.get(alias)
            if held is None:
                self._there.set_registered_model_alias(self._name, alias, str(number))
            elif int(held) != number:
                yield f"version {held} stays the {alias} of the server"
        if HISTORY in here.tags and HISTORY not in there.tags:
            history = [numbers[number] for number in champions(here.tags) if number in numbers]
            self._there.set_registered_model_tag(self._name, HISTORY, json.dumps(history))
