"""`hpoe sync`: bring a tracking store up to date with what is trained here, without training."""

from collections.abc import Callable
from pathlib import Path

from hpoe.execution.pipeline import MODELS, RECORDS, REPORTS, SPLIT
from hpoe.execution.stage import split_digest
from hpoe.params import Params, flatten
from hpoe.registration.candidates import Candidate
from hpoe.registration.registry import EXECUTION, Registry
from hpoe.settings import Settings
from hpoe.tracking.delivery import deliver_kept
from hpoe.tracking.records import StageRecord, load_record
from hpoe.tracking.store import Tracker

SHOWN_ERRORS = ("validation_error_rate", "test_error_rate")


def synchronise(params: Params, settings: Settings, say: Callable[[str], None]) -> None:
    """Deliver the runs that the store lacks, and register the trained system if it lacks that.

    Raises:
        TrackingError: the store cannot be used, or stops answering.
        RegistryError: the package answers otherwise than the trained system.
    """
    tracker = Tracker(settings.tracking_uri)
    delivered = deliver_kept(settings.state_dir, tracker)
    records = [load_record(path) for path in RECORDS.glob("*.json")]
    for record in sorted(records, key=lambda each: each.stage.start):
        if tracker.run_id(record.stage.uid) is None:
            _keep_own_files(record, params)
            tracker.deliver(record)
            delivered += 1
    say(f"{delivered} runs of stages delivered")
    registered = next((each for each in records if each.stage.name == "register"), None)
    if registered is None:
        return
    run_id = tracker.run_id(registered.pipeline.uid)
    registry = Registry(settings.tracking_uri)
    if run_id is not None and not registry.has_version_of(registered.pipeline.uid):
        register_trained(registered, run_id, params, settings, say)


def register_trained(
    registered: StageRecord,
    run_id: str,
    params: Params,
    settings: Settings,
    say: Callable[[str], None],
) -> None:
    """Register the system that is trained here, from the outputs of its stages.

    Args:
        registered: the record of the stage `register`.
        run_id: MLflow's id of its top-level run.
        params: of the pipeline.
        settings: of this machine.
        say: reports what was decided.

    Raises:
        RegistryError: the package answers otherwise than the trained system.
    """
    predictions = REPORTS / "shift_predictions.parquet"
    Candidate.load(MODELS / "recogniser.safetensors", predictions, SPLIT).register(
        Registry(settings.tracking_uri),
        run_id,
        _version_tags(params, registered),
        params.registration.significance,
        settings.workers,
        say,
    )


def _version_tags(params: Params, registered: StageRecord) -> dict[str, str]:
    """The tags of a version: the link to its run, and the columns of `hpoe models`."""
    pipeline, metrics = registered.pipeline, registered.stage.metrics
    return {
        "networks": ", ".join(params.classifier.networks),
        **{name: f"{metrics[name]:.4f}" for name in SHOWN_ERRORS},
        **{key: pipeline.tags[key] for key in pipeline.tags if "git" in key},
        EXECUTION: pipeline.uid,
        "split_md5": split_digest(),
    }


def _keep_own_files(record: StageRecord, params: Params) -> None:
    """Leave out artifacts that are no longer there, and params that were changed since."""
    for run in (record.pipeline, record.stage):
        run.artifacts = {path: to for path, to in run.artifacts.items() if Path(path).exists()}
    if flatten(params.model_dump(mode="json")) != record.pipeline.params:
        record.pipeline.artifacts.pop("params.yaml", None)
