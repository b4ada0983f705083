"""Results that DVC did not compute again, in the MLflow run of the execution that reuses them.

DVC skips a stage whose inputs are unchanged, and restores one that it has run before; no code of
hpoe runs then. The last stage therefore depends on the records of all others and checks which
execution each belongs to. It does nothing if all belong to this one, or if DVC restores its output.
"""

from collections.abc import Callable

from hpoe.execution.pipeline import PUBLISHED, RECORDS, stage_labels
from hpoe.execution.stage import open_record
from hpoe.files import write_json
from hpoe.params import Params
from hpoe.settings import Settings
from hpoe.tracking.delivery import Delivery
from hpoe.tracking.records import RunRecord, StageRecord, load_record


def publish_reused(params: Params, settings: Settings, say: Callable[[str], None]) -> None:
    """Add the results of earlier executions' stages to this execution's run, marked as reused."""
    record = open_record("publish", params, settings)
    reused = _reused(params, record.pipeline.uid)
    # `hpoe checkout` restores an execution whose run is complete.
    if reused and not settings.restore_only:
        for earlier in reused:
            _add(record.pipeline, earlier)
        record.pipeline.tags["reused"] = ", ".join(earlier.stage.name for earlier in reused)
        record.finish("FINISHED")
        Delivery(settings.tracking_uri, settings.state_dir, say).close(record)
        say(f"reused in run {record.pipeline.name}: {record.pipeline.tags['reused']}")
    names = [earlier.stage.name for earlier in reused]
    write_json(PUBLISHED, {"execution": record.pipeline.uid, "reused": names})


def _reused(params: Params, uid: str) -> list[StageRecord]:
    """The records of the stages that ran in another execution."""
    paths = [RECORDS / f"{label}.json" for label in stage_labels(params.train)]
    records = [load_record(path) for path in paths if path.exists()]
    return [record for record in records if record.pipeline.uid != uid]


def _add(pipeline: RunRecord, earlier: StageRecord) -> None:
    """Add an earlier stage's results, and a link to its run, to a top-level run."""
    name = earlier.stage.name.replace("@", "/")
    pipeline.tags[f"reused/{name}"] = f"uid:{earlier.stage.uid}"
    pipeline.metrics |= earlier.pipeline.metrics
    pipeline.datasets = earlier.pipeline.datasets
    # Files without a folder are params.yaml and the code's changes, which are this execution's own.
    results = {path: folder for path, folder in earlier.pipeline.artifacts.items() if folder}
    pipeline.artifacts |= results
