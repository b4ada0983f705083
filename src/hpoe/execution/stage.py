"""What the entry points of all stages share: checked params and a tracked run."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpoe.compute.parallel import end_with_parent
from hpoe.data.split import class_path
from hpoe.errors import CheckoutError, ParamsError
from hpoe.execution.copies import share_stores
from hpoe.execution.pipeline import RAW, SPLIT, exists_per_network, record_path, stage_label
from hpoe.files import digest, write_bytes
from hpoe.params import Params, load_params
from hpoe.reporting import say
from hpoe.settings import Settings, load_settings
from hpoe.tracking.delivery import Delivery
from hpoe.tracking.git import code_patch
from hpoe.tracking.records import (
    Dataset,
    RunRecord,
    StageRecord,
    execution_uid,
    pipeline_record,
    save_record,
    stage_uid,
)


@dataclass
class Stage:
    """A stage that is running: its params and settings, and the record of its run."""

    params: Params
    settings: Settings
    record: StageRecord
    delivery: Delivery

    @property
    def run(self) -> RunRecord:
        """The stage's own run."""
        return self.record.stage

    @property
    def pipeline(self) -> RunRecord:
        """The top-level run of this execution."""
        return self.record.pipeline

    def add_run(self, run: RunRecord) -> None:
        """Add a finished child run to the stage's run, and deliver it at once."""
        self.run.children.append(run)
        self.delivery.deliver(self.record)

    def attach(self, paths: Iterable[Path], folder: str) -> None:
        """Add files to the top-level run's artifacts, in a folder there."""
        self.pipeline.artifacts |= {str(path): folder for path in sorted(paths)}

    def say(self, text: str) -> None:
        """Print a line of progress."""
        say(text)


@contextmanager
def stage(name: str, variant: str | None = None) -> Iterator[Stage]:
    """Run a stage: check the params, open its run, and close the run whatever happens.

    Args:
        name: of the stage.
        variant: the network, method or data set, where the stage exists once for each.

    Raises:
        ParamsError, SettingsError: params.yaml or the environment is wrong; nothing is started.
        CheckoutError: `hpoe checkout` restores outputs, and this stage's are not in DVC's cache.
    """
    share_stores()
    end_with_parent()
    params, settings = load_params(), load_settings()
    if exists_per_network(name) and variant not in params.networks:
        raise ParamsError(f"params.yaml has no network {variant!r} under networks")
    label = stage_label(name, variant)
    if settings.restore_only:
        raise CheckoutError(
            f"the outputs of {label} are no longer in DVC's cache: `dvc repro` makes them again"
        )
    delivery = Delivery(settings.tracking_uri, settings.state_dir, say)
    record = open_record(label, params, settings)
    delivery.open(record)
    try:
        yield Stage(params, settings, record, delivery)
    except BaseException as error:
        record.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        delivery.abort(record)
        raise
    record.pipeline.datasets = _raw_datasets()
    record.finish("FINISHED")
    save_record(record_path(name, variant), record)
    delivery.close(record)


def open_record(label: str, params: Params, settings: Settings) -> StageRecord:
    """The record of a stage that starts, in the execution of these params, code and data."""
    data = None if label in ("download", "split") else split_digest()
    uid = execution_uid(settings.state_dir, params, data)
    patch = code_patch()
    pipeline = pipeline_record(uid, params, patch)
    if patch:
        path = settings.state_dir / "executions" / uid / "code.patch"
        write_bytes(path, patch)
        pipeline.artifacts[str(path)] = ""
    tags = {"kind": "stage", "execution": uid, "stage": label}
    run = RunRecord(uid=stage_uid(uid, label), name=label, tags=tags)
    return StageRecord(pipeline=pipeline, stage=run)


def split_datasets(labels: Sequence[str], context: str) -> list[Dataset]:
    """The split's files as datasets of a run."""
    return [_dataset(f"split/{label}", class_path(SPLIT, label), context) for label in labels]


def split_digest(folder: Path = SPLIT) -> str:
    """A digest of the split, which distinguishes executions on different data."""
    files = sorted(folder.glob("*.safetensors"))
    return hashlib.sha256("".join(digest(path) for path in files).encode()).hexdigest()


def _raw_datasets() -> list[Dataset]:
    return [
        _dataset(path.name, path, "test" if path.name.startswith("t10k") else "training")
        for path in sorted(RAW.glob("*-ubyte"))  # beside which a user may keep other files
    ]


def _dataset(name: str, path: Path, context: str) -> Dataset:
    """A file as a dataset, with the digest that DVC shows."""
    return Dataset(name=name, path=str(path), md5=digest(path, "md5"), context=context)
