"""What the database holds beside what the records on disk say: lost, doubled and wrong points."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hpoe.tracking.records import RunRecord, StageRecord
from hpoe.tracking.store import UID
from tests.stack.services import Postgres

Point = tuple[str, str, int, int, float]
"""Of a run's uid (or id): key, step, time and value of a point."""
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
    """Points counted: those that had to be there, and what is not as it had to be."""

    points: int
    lost: int
    doubled: int
    strange: int
    """Points of the same runs that nobody acknowledged or recorded."""
    runs_doubled: int = 0

    @property
    def faultless(self) -> bool:
        """Whether every point is there, once, and no other."""
        return not (self.lost or self.doubled or self.strange or self.runs_doubled)

    def __str__(self) -> str:
        """For the table of results."""
        return f"{self.points} points, lost {self.lost}, doubled {self.doubled + self.runs_doubled}"


def compare(expected: Iterable[Point], stored: Iterable[Point]) -> Tally:
    """Expected points beside stored ones, of the same runs."""
    wanted, found = set(expected), Counter(stored)
    steps = Counter(point[:3] for point in found.elements())
    return Tally(
        points=len(wanted),
        lost=len(wanted - set(found)),
        doubled=sum(steps[step] - 1 for step in {point[:3] for point in wanted} if steps[step]),
        strange=len(set(found) - wanted),
    )


def stored_points(postgres: Postgres, runs: Iterable[str]) -> list[Point]:
    """The points of runs, by MLflow's id."""
    known = set(runs)
    found = postgres.query(STORED)
    return [(run, key, step, at, value) for run, key, step, at, value in found if run in known]


def compare_records(postgres: Postgres, records: Iterable[StageRecord]) -> Tally:
    """The records' points beside those of the runs with their uids."""
    runs = [run for record in records for run in runs_of(record)]
    uids: dict[str, str] = {
        run: uid for run, uid in postgres.query(UIDS, key=UID) if uid in {each.uid for each in runs}
    }
    found = stored_points(postgres, uids)
    stored = [(uids[run], key, step, at, value) for run, key, step, at, value in found]
    tally = compare([point for run in runs for point in recorded_points(run)], stored)
    extra = len(uids) - len(set(uids.values()))
    return Tally(tally.points, tally.lost, tally.doubled, tally.strange, extra)


def runs_of(record: StageRecord) -> list[RunRecord]:
    """The runs that a record speaks of."""
    return [record.pipeline, record.stage, *record.stage.children]


def recorded_points(run: RunRecord) -> Iterator[Point]:
    """The points of a run, as it was recorded."""
    for key, value in run.metrics.items():
        yield run.uid, key, 0, run.end or run.start, value
    for key, values in run.curves.items():
        for step, (value, time) in enumerate(zip(values, run.timestamps, strict=True), 1):
            yield run.uid, key, step, time, value
