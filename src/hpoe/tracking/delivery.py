"""Delivering records to MLflow in the background: completely and exactly once, late if necessary.

A stage waits for MLflow only at its beginning and end; one thread delivers in order. Records that
could not be delivered are kept as files.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from hpoe.errors import TrackingError, UnreachableError
from hpoe.tracking.records import StageRecord, load_record, save_record
from hpoe.tracking.store import Tracker, check_address

SECONDS_TO_STOP = 1.0
"""How long an interrupted stage waits for its last delivery."""


class Delivery:
    """Delivers the records of one stage to MLflow; a server that is down stops no stage."""

    def __init__(self, address: str, state: Path, warn: Callable[[str], None]) -> None:
        """Prepare to deliver.

        Args:
            address: of the tracking store; empty for the embedded one.
            state: folder in which undelivered records are kept.
            warn: called once with a message if the server does not answer.

        Raises:
            TrackingError: MLflow does not support this address.
        """
        check_address(address)
        self._address = address
        self._state = state
        self._warn = warn
        self._tracker: Tracker | None = None
        self._stop_sampling: Callable[[], None] = lambda: None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="delivery")
        self._under_way: list[Future[None]] = []

    def open(self, record: StageRecord) -> None:
        """Connect, create the runs of a stage, and start to sample system metrics.

        The stage waits for this: when workers started while another thread imported MLflow, about
        one start in fifty lost its resource tracker (BrokenPipeError).

        Raises:
            TrackingError: the store refuses the login or cannot be used.
        """
        self._submit(self._open, record)
        self._under_way[-1].result()

    def deliver(self, record: StageRecord) -> None:
        """Deliver the current state of a record, if the server answers."""
        self._submit(self._deliver, record)

    def top_level_run_id(self, record: StageRecord) -> str:
        """Deliver a record, and return MLflow's id of its top-level run.

        Raises:
            UnreachableError: it was not delivered, because the server does not answer.
        """
        self.deliver(record)
        wait(self._under_way)
        found = self._tracker.run_id(record.pipeline.uid) if self._tracker else None
        if found is None:
            raise UnreachableError(
                "the model cannot be registered because the tracking server does not answer: start "
                "the server and run the same command again; trained RBMs are kept"
            )
        return found

    def close(self, record: StageRecord) -> None:
        """Deliver the record, and those that earlier stages kept; keep it if that fails."""
        self._submit(self._close, record)
        for future in self._under_way:
            future.result()

    def abort(self, record: StageRecord) -> None:
        """Deliver the record of a stage that failed, without waiting for a server that hangs."""
        self._submit(self._deliver, record)
        wait(self._under_way, SECONDS_TO_STOP)

    def _submit(self, work: Callable[[StageRecord], None], record: StageRecord) -> None:
        self._under_way.append(
            self._thread.submit(self._attempt, work, record.model_copy(deep=True))
        )

    def _attempt(self, work: Callable[[StageRecord], None], record: StageRecord) -> None:
        try:
            work(record)
        except UnreachableError as error:
            self._give_up(error)

    def _open(self, record: StageRecord) -> None:
        self._tracker = Tracker(self._address)
        self._tracker.deliver(record)
        self._stop_sampling = self._tracker.sample_system_metrics(record.stage.uid)

    def _deliver(self, record: StageRecord) -> None:
        if self._tracker is not None:
            self._tracker.deliver(record)

    def _close(self, record: StageRecord) -> None:
        self._stop_sampling()
        try:
            tracker = self._tracker or Tracker(self._address)
            deliver_kept(self._state, tracker)
            tracker.deliver(record)
        except TrackingError as error:  # a login refused only now does not stop training either
            self._give_up(error)
            keep_undelivered(self._state, record)

    def _give_up(self, error: TrackingError) -> None:
        self._tracker = None
        self._warn(
            f"warning: {error}; the stage continues, its runs are kept in {self._state}/undelivered"
            " until the next stage or `hpoe sync` delivers them"
        )
        self._warn = lambda _: None  # only once


def keep_undelivered(state: Path, record: StageRecord) -> None:
    """Save a record and copies of its files until `deliver_kept` can deliver them."""
    folder = state / "undelivered" / record.stage.uid
    kept = record.model_copy(deep=True)
    for run in (kept.pipeline, kept.stage):
        run.artifacts = {
            _keep_copy(folder / run.uid / target, Path(source)): target
            for source, target in run.artifacts.items()
            if Path(source).exists()
        }
    save_record(folder / "record.json", kept)


def deliver_kept(state: Path, tracker: Tracker) -> int:
    """Deliver the records that were kept, oldest first; return their number.

    Raises:
        UnreachableError: the server stopped answering; undelivered records stay kept.
    """
    kept = [(load_record(path), path.parent) for path in (state / "undelivered").glob("*/*.json")]
    for record, folder in sorted(kept, key=lambda item: item[0].stage.start):
        tracker.deliver(record)
        shutil.rmtree(folder)
    return len(kept)


def _keep_copy(folder: Path, source: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(shutil.copy2(source, folder))
