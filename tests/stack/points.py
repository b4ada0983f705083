"""The points in Postgres compared with the records on disk: lost, doubled and unknown ones."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hpoe.tracking.records import RunRecord, StageRecord
from hpoe.tracking.store import UID
from tests.stack.services import Postgres

Point = tuple[str, str, int, int, float]
"""The uid of a run, then key, step, time and value of a point."""
STORED = """
    SELECT runs.run_uuid, metrics.key, step, timestamp, metrics.value
    FROM metrics JOIN runs ON runs.run_uuid = metrics.run_uuid
    WHERE lifecycle_stage = 'active' AND metrics.key NOT LIKE 'system/%'
"""
UIDS = """
    SELECT tags.run_uuid, tags.value FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid
    WHERE lifecycle_stage = 'active' AND tags.key = :key
"""


@dataclass(frozen=True)
class Tally:
    """Counts of the points that were recorded, and of differences from what is stored."""

    points: int
    lost: int
    doubled: int
    """Points stored more than once, and runs created more than once."""
    unknown: int
    """Points of the same runs that nobody recorded."""

    @property
    def faultless(self) -> bool:
        """Whether every point is stored, once, and no other."""
        return not (self.lost or self.doubled or self.unknown)

    def __str__(self) -> str:
        """Format the counts for the table of faults."""
        return f"{self.points} points, lost {self.lost}, doubled {self.doubled}"


def compare(postgres: Postgres, records: Iterable[StageRecord]) -> Tally:
    """Compare the points of records with those stored for the runs with the same uids."""
    runs = [run for record in records for run in runs_of(record)]
    known = {run.uid for run in runs}
    uids = {run: uid for run, uid in postgres.query(UIDS, key=UID) if uid in known}
    found = Counter((uids[row[0]], *row[1:]) for row in postgres.query(STORED) if row[0] in uids)
    recorded = {point for run in runs for point in points_of(run)}
    steps = Counter(point[:3] for point in found.elements())
    doubled_runs = len(uids) - len(set(uids.values()))
    return Tally(
        points=len(recorded),
        lost=len(recorded - set(found)),
        doubled=sum(count - 1 for count in steps.values()) + doubled_runs,
        unknown=len(set(found) - recorded),
    )


def runs_of(record: StageRecord) -> list[RunRecord]:
    """Return the runs of a record."""
    return [record.pipeline, record.stage, *record.stage.children]


def points_of(run: RunRecord) -> Iterator[Point]:
    """Yield the points of a run as it was recorded."""
    for key, value in run.metrics.items():
        yield run.uid, key, 0, run.end or run.start, value
    for key, values in run.curves.items():
        for step, (value, time) in enumerate(zip(values, run.timestamps, strict=True), 1):
            yield run.uid, key, step, time, value
