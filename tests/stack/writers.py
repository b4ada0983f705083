"""Stages of hpoe's own without the work: they record runs of digits and deliver them."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from hpoe.tracking.delivery import Delivery
from hpoe.tracking.records import RunRecord, StageRecord, now

DIGITS = 20
"""Maximum number of digits that a writer records."""
EPOCHS = 20
SECONDS_BETWEEN = 0.2


@dataclass
class Writer:
    """A stage that delivers its record as it grows."""

    uri: str
    folder: Path
    name: str
    warnings: list[str] = field(default_factory=list)
    record: StageRecord = field(init=False)

    def __post_init__(self) -> None:
        """Begin the record."""
        pipeline = RunRecord(uid=self.name, name=self.name, tags={"kind": "pipeline"})
        stage = RunRecord(uid=f"{self.name}.stage", name="stage", tags={"kind": "stage"})
        self.record = StageRecord(pipeline=pipeline, stage=stage)

    def write(self, stop: Event) -> None:
        """Record one digit after another, at least one, until told to stop; then finish."""
        delivery = Delivery(self.uri, self.folder, self.warnings.append)
        delivery.open(self.record)
        for number in range(DIGITS):
            self.record.stage.children.append(self._digit(number))
            delivery.deliver(self.record)
            if stop.wait(SECONDS_BETWEEN):
                break
        for run in (self.record.pipeline, self.record.stage):
            run.metrics = {"seconds": 1.5}
            run.finish("FINISHED")
        delivery.close(self.record)

    def _digit(self, number: int) -> RunRecord:
        start = now()
        run = RunRecord(uid=f"{self.name}.stage.digit{number}", name=f"digit {number}", start=start)
        run.curves = {
            key: [number + step / 7 for step in range(EPOCHS)] for key in ("error", "gain")
        }
        run.timestamps = list(range(start, start + EPOCHS))
        run.finish("FINISHED")
        return run
