"""Writers that log at the same time: runs delivered from records, and MLflow's plain log_batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from hpoe.tracking.delivery import Delivery
from hpoe.tracking.records import RunRecord, StageRecord, now
from tests.stack.points import Point

POINTS_A_BATCH = 25
SECONDS_TO_WRITE = 120
DIGITS = 3


@dataclass
class Plain:
    """A client of MLflow's own that sends each batch until it is acknowledged."""

    uri: str
    experiment: str
    acknowledged: set[Point] = field(default_factory=set)
    refused: int = 0

    def write(self, stop: Event) -> None:
        """Log batches until told to stop."""
        client = MlflowClient(self.uri)
        run = client.create_run(self.experiment).info.run_id
        step = 0
        while not stop.is_set():
            batch = [
                Metric(key, step + offset / 7, now(), step + offset)
                for offset in range(POINTS_A_BATCH)
                for key in ("error", "goodness")
            ]
            step += POINTS_A_BATCH
            self._until_acknowledged(partial(client.log_batch, run, batch))
            self.acknowledged |= {
                (run, point.key, point.step, point.timestamp, point.value) for point in batch
            }

    def _until_acknowledged(self, log: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS_TO_WRITE
        while True:
            try:
                log()
                return
            except MlflowException:
                assert time.monotonic() < deadline
                self.refused += 1
                time.sleep(0.1)


@dataclass
class Recorded:
    """A stage of hpoe's own, without the work: it delivers its record as it grows."""

    uri: str
    folder: Path
    name: str
    warnings: list[str] = field(default_factory=list)
    record: StageRecord = field(init=False)

    def write(self, stop: Event) -> None:
        """Record runs of digits, and end when told to."""
        pipeline = RunRecord(uid=f"{self.name}", name=self.name, tags={"kind": "pipeline"})
        stage = RunRecord(uid=f"{self.name}.stage", name="stage", tags={"kind": "stage"})
        self.record = StageRecord(pipeline=pipeline, stage=stage)
        delivery = Delivery(self.uri, self.folder, self.warnings.append)
        delivery.open(self.record)
        for number in range(DIGITS):
            stage.children.append(self._digit(number))
            delivery.deliver(self.record)
        stop.wait(SECONDS_TO_WRITE)
        for run in (pipeline, stage):
            run.metrics = {"seconds": 1.5}
            run.finish("FINISHED")
        delivery.close(self.record)

    def _digit(self, number: int) -> RunRecord:
        start = now()
        run = RunRecord(uid=f"{self.name}.stage.digit{number}", name=f"digit {number}", start=start)
        run.curves = {key: [number + step / 7 for step in range(60)] for key in ("error", "gain")}
        run.timestamps = list(range(start, start + 60))
        run.finish("FINISHED")
        return run
