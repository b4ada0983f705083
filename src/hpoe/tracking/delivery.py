"""Delivering records to MLflow beside the work: late if need be, but whole and once.

A stage waits for MLflow only at its beginning and end: one thread delivers in order, whatever the
server's speed. What could not be delivered is kept as files.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from hpoe.errors import TrackingError, UnreachableError
from hpoe.tracking.records import StageRecord, load_record, save_record
from hpoe.tracking.store import SystemMetrics, Tracker, check_address

SECONDS_TO_STOP = 1.0
"""How long a stage that was interrupted waits for MLflow to hear of it."""


class Delivery:
    """The records of one stage on their way to MLflow; a server that is down stops no work."""

    def __init__(self, address: str, state: Path, warn: Callable[[str], None]) -> None:
        """Prepare to deliver.

        Args:
            address: of the tracking store, empty for the embedded one.
            state: folder under which undelivered records are kept.
            warn: told once if the server does not answer.

        Raises:
            TrackingError: MLflow takes no such address.
        """
        check_address(address)
        self._address = address
        self._state = state
        self._warn = warn
        self._tracker: Tracker | None = None
        self._system_metrics: SystemMetrics | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="delivery")
        self._under_way: list[Future[None]] = []

    def open(self, record: StageRecord) -> None:
        """Connect, deliver the beginning of a stage, and sample the machine's load into its run.

        The stage waits for it: workers started while another thread imports MLflow were seen to
        lose their resource tracker (BrokenPipeError), about once in fifty starts.

        Raises:
            TrackingError: the store refuses the login, or is none.
        """
        self._submit(self._open, record)
        self._under_way[-1].result()

    def deliver(self, record: StageRecord) -> None:
        """Deliver a record as it is now, if the server answers."""
        self._submit(self._deliver, record)

    def run_id(self, uid: str) -> str:
        """MLflow's id of a run that was delivered.

        Raises:
            UnreachableError: it was not, for the server does not answer.
        """
        wait(self._under_way)
        found = self._tracker.run_id(uid) if self._tracker else None
        if found is None:
            raise UnreachableError(
                "the tracking server does not answer, and a model is registered there: start it "
                "and run the same command again, what was trained is kept"
            )
        return found

    def close(self, record: StageRecord) -> None:
        """Deliver the whole record and whatever earlier stages kept, or keep it as well."""
        self._submit(self._close, record)
        for future in self._under_way:
            future.result()

    def abort(self, record: StageRecord) -> None:
        """Deliver that a stage did not end well, without waiting for a server that hangs."""
        self._submit(self._deliver, record)
        wait(self._under_way, SECONDS_TO_STOP)

    def _submit(self, work: Callable[[StageRecord], None], record: StageRecord) -> None:
        self._under_way.append(self._thread.submit(work, record.model_copy(deep=True)))

    def _open(self, record: StageRecord) -> None:
        try:
            self._tracker = Tracker(self._address)
            self._tracker.deliver(record)
            self._system_metrics = self._tracker.system_metrics(record.stage.uid)
        except UnreachableError as error:
            self._give_up(error)

    def _deliver(self, record: StageRecord) -> None:
        if self._tracker is None:
            return
        try:
            self._tracker.deliver(record)
        except UnreachableError as error:
            self._give_up(error)

    def _close(self, record: StageRecord) -> None:
        if self._system_metrics is not None:
            self._system_metrics.finish()
        try:
            tracker = self._tracker or Tracker(self._address)
            deliver_kept(self._state, tracker)
            tracker.deliver(record)
        except TrackingError as error:  # a login that is refused by now costs no training either
            self._give_up(error)
            keep_undelivered(self._state, record)

    def _give_up(self, error: TrackingError) -> None:
        self._tracker = None
        self._warn(
            f"warning: {error}; the work goes on, its runs are kept in {self._state}/undelivered, "
            "and `hpoe sync` delivers them"
        )
        self._warn = lambda _: None  # once is enough


def keep_undelivered(state: Path, record: StageRecord) -> None:
    """Keep a record, and copies of the files it names, until `deliver_kept` can deliver them."""
    folder = state / "undelivered" / record.stage.uid
    kept = record.model_copy(deep=True)
    for run in (kept.pipeline, kept.stage):
        run.artifacts = {
            _keep_copy(folder / run.uid / target, Path(source)): target
            for source, target in run.artifacts.items()
        }
    save_record(folder / "record.json", kept)


def deliver_kept(state: Path, tracker: Tracker) -> int:
    """Deliver the records that were kept, oldest first; how many there were.

    Raises:
        UnreachableError: the server stopped answering; what is not delivered stays kept.
    """
    kept = [(load_record(path), path.parent) for path in (state / "undelivered").glob("*/*.json")]
    for record, folder in sorted(kept, key=lambda item: item[0].stage.start):
        tracker.deliver(record)
        shutil.rmtree(folder)
    return len(kept)


def _keep_copy(folder: Path, source: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(shutil.copy2(source, folder))
