"""What the entry points of all stages share: params in, run tracked, errors in one sentence."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Literal, ParamSpec

from rich.console import Console
from rich.markup import escape

from hpoe.compute.parallel import end_with_parent
from hpoe.errors import CheckoutError, HpoeError, ParamsError
from hpoe.files import digest, write_bytes
from hpoe.params import Params, load_params
from hpoe.settings import Settings, load_settings
from hpoe.tracking.delivery import Delivery
from hpoe.tracking.records import (
    STAGES,
    Dataset,
    RunRecord,
    StageRecord,
    Status,
    code_patch,
    execution_uid,
    load_record,
    pipeline_record,
    record_path,
    save_record,
    stage_label,
    stage_uid,
)

PER_NETWORK = ("train_layer1", "train_layer2", "train_layer3", "extract_goodness")
"""Stages whose variants are networks."""
RAW, SPLIT, USPS = Path("data/raw"), Path("data/split"), Path("data/usps/split")
DataSet = Literal["mnist", "usps"]
DATA_SETS: dict[DataSet, Path] = {"mnist": SPLIT, "usps": USPS}
"""Where each data set's images lie, cut in the same way."""
Arguments = ParamSpec("Arguments")
console = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass
class Stage:
    """A stage that is running: its params and settings, and the record of its run."""

    name: str
    variant: str | None
    """The network, method or data set for which the stage exists once each."""
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
        """Add a finished run under the stage's, and show it in MLflow at once."""
        self.run.children.append(run)
        self.delivery.deliver(self.record)

    def reuses(self, upstream: str) -> bool:
        """Whether an upstream stage's outputs come from an earlier execution."""
        return f"reused/{upstream}" in self.pipeline.tags

    def attach(self, paths: Iterable[Path], folder: str) -> None:
        """Add files to the top-level run's artifacts, under a folder there."""
        self.pipeline.artifacts |= {str(path): folder for path in sorted(paths)}

    def say(self, text: str) -> None:
        """Tell the user how the work goes, on one line."""
        _print(text)


@contextmanager
def stage(name: str, variant: str | None = None) -> Iterator[Stage]:
    """Run a stage: check the params, open its run, and close it whatever happens.

    Raises:
        ParamsError, SettingsError: params.yaml or the environment is wrong; nothing is started.
        CheckoutError: `hpoe checkout` restores outputs, and this stage's are not in DVC's cache.
    """
    end_with_parent()
    params, settings = load_params(), load_settings()
    if name in PER_NETWORK and variant not in params.networks:
        raise ParamsError(f"params.yaml has no network {variant!r} under networks")
    label = stage_label(name, variant)
    if settings.restore_only:
        raise CheckoutError(
            f"the outputs of {label} are no longer in DVC's cache: `dvc repro` makes them again"
        )
    delivery = Delivery(settings.tracking_uri, settings.state_dir, _print)
    record = _open_record(label, params, settings)
    running = Stage(name, variant, params, settings, record, delivery)
    delivery.open(record)
    try:
        yield running
    except BaseException as error:
        _finish(running, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        delivery.abort(record)
        raise
    record.pipeline.datasets = _raw_datasets()
    _finish(running, "FINISHED")
    save_record(record_path(name, variant), record)
    delivery.close(record)


def report_errors(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make an entry point report a user's mistake in one sentence, with exit code 1."""

    @wraps(main)
    def reporting(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            main(*args, **kwargs)
        except HpoeError as error:
            stderr.print(f"[red]error:[/] {escape(str(error))}")
            sys.exit(1)
        except BrokenPipeError as error:  # which Typer would pass over without a word
            raise RuntimeError("a pipe to a process of this stage broke") from error
        except KeyboardInterrupt:
            stderr.print("stopped: the same command goes on from the last checkpoint")
            os._exit(130)  # at once: the workers are gone, and what is on disk is whole

    return reporting


def split_datasets(digits: Sequence[int], context: str) -> list[Dataset]:
    """The split's files as datasets of a run."""
    paths = [SPLIT / f"{digit}.safetensors" for digit in digits]
    return [_dataset(f"split/{path.stem}", path, context) for path in paths]


def split_digest(folder: Path = SPLIT) -> str:
    """A digest of the split: what sets executions on other data apart."""
    files = sorted(folder.glob("*.safetensors"))
    return hashlib.sha256("".join(digest(path) for path in files).encode()).hexdigest()


def _raw_datasets() -> list[Dataset]:
    return [
        _dataset(path.name, path, "test" if path.name.startswith("t10k") else "training")
        for path in sorted(RAW.iterdir())
    ]


def _dataset(name: str, path: Path, context: str) -> Dataset:
    """A file as a dataset, with the digest that DVC shows."""
    return Dataset(name=name, path=str(path), md5=digest(path, "md5"), context=context)


def _print(text: str) -> None:
    console.print(text, markup=False)


def _finish(running: Stage, status: Status) -> None:
    for run in (running.pipeline, running.run):
        run.finish(status)


def _open_record(label: str, params: Params, settings: Settings) -> StageRecord:
    """The record of a run that starts, linked to the runs whose outputs it goes on from."""
    data = None if label in ("download", "split") else split_digest()
    uid = execution_uid(settings.state_dir, params, data)
    pipeline = pipeline_record(uid, params)
    patch = code_patch()
    if patch:
        path = settings.state_dir / "executions" / uid / "code.patch"
        write_bytes(path, patch.encode())
        pipeline.artifacts[str(path)] = ""
    for upstream in STAGES[: STAGES.index(label.partition("@")[0])]:
        for network in (None, *params.train):
            path = record_path(upstream, network)
            if path.exists() and (earlier := load_record(path)).pipeline.uid != uid:
                name = upstream if network is None else f"{upstream}/{network}"
                pipeline.tags[f"reused/{name}"] = f"uid:{earlier.stage.uid}"
    run = RunRecord(
        uid=stage_uid(uid, label),
        name=label,
        tags={"kind": "stage", "execution": uid, "stage": label},
    )
    return StageRecord(pipeline=pipeline, stage=run)
