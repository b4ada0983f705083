"""Scoring a Parquet file of images with the champion, in bounded memory.

Rows are read a window at a time, scored by several processes, and written in their order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from hpoe.compute.parallel import check_memory
from hpoe.errors import DataError
from hpoe.files import replacing
from hpoe.registration.packages import Package, open_champion
from hpoe.tracking.mlflow_errors import first_line
from hpoe_recognition.answer import Answer

IMAGE, ERROR = "image", "error"
COLUMN_TYPES = {
    str: pa.string(),
    float: pa.float64(),
    bool: pa.bool_(),
    dict[str, float]: pa.map_(pa.string(), pa.float64()),
}
ANSWER = pa.schema(
    [
        *((name, COLUMN_TYPES[kind]) for name, kind in get_type_hints(Answer).items()),
        (ERROR, pa.string()),
    ]
)
"""Columns added to the output: the model's answer, or the reason why there is none.

The probabilities are a map, as in MLflow's signature and from Spark: a struct would have one column
of the file per class, and files of different models could not be read as one table.
"""
ROWS_PER_TASK = 100
"""Images that the model computes in one pass."""
BYTES_PER_TASK = 2**21
"""Maximum bytes of rows per task, so that large photos make smaller tasks."""
TASKS_PER_WORKER = 64
"""Tasks per worker in a window: enough that workers seldom wait for its last task."""
BYTES_PER_WINDOW = 2**24
"""Limit on a window in which each worker has a task: it bounds memory for any number of workers."""
BYTES_PER_PROBABILITY = 128
"""Of an answer, while it is a Python object: a number, its place in a dictionary, and a copy."""
READ_AHEAD = 2**20
"""Bytes of a column."""


@dataclass
class Score:
    """How many rows of a file have an answer."""

    rows: int = 0
    unanswered: int = 0
    first: str = ""
    """The first row without an answer, and why."""


def score_file(
    tracking_uri: str, source: Path, target: Path, workers: int, show: Callable[[int, int], None]
) -> Score:
    """Write the champion's answers to the images of a Parquet file, one row per row, in order.

    Args:
        tracking_uri: of the registry that has the champion.
        source: has a column `image` of base64 texts; other columns are passed through.
        target: written beside its place and renamed, so that it is whole or not there.
        workers: processes, of one thread each.
        show: called with the number of rows that are done, and of all.

    Raises:
        DataError: the source is not such a file, or none of its rows holds an image.
        RegistryError: there is no champion, or it cannot be loaded.
        StorageError: the target could not be written.
        WorkerError: memory does not suffice for the workers.
    """
    score = Score()
    check_memory(workers)
    with _opened(source) as file:
        schema = _target_schema(file.schema_arrow, source)
        if target.exists() and target.samefile(source):
            raise DataError(f"{source} would be overwritten: name another file for the answers")
        with (
            open_champion(tracking_uri, workers) as champion,
            replacing(target) as path,
            pq.ParquetWriter(path, schema) as writer,
        ):
            n_classes = len(champion.submit("classes", None).result()["classes"])
            for rows in _windows(file, source, workers, n_classes):
                answers = _answers(champion, rows)
                _count(score, answers)
                columns = [*rows.drop_columns([IMAGE]).columns, *answers.columns]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
                show(score.rows, file.metadata.num_rows)
            if score.rows and score.unanswered == score.rows:
                raise DataError(f"{source}: none of its images can be read; {score.first}")
    return score


@contextmanager
def _opened(source: Path) -> Iterator[pq.ParquetFile]:
    if not source.is_file():
        raise DataError(f"{source} is not there: name a Parquet file with a column `{IMAGE}`")
    try:
        file = pq.ParquetFile(source, buffer_size=READ_AHEAD, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source} is not a Parquet file: {first_line(error)}") from None
    with file:
        yield file


def _target_schema(schema: pa.Schema, source: Path) -> pa.Schema:
    """The columns that are passed through, then the answer's."""
    if IMAGE not in schema.names:
        raise DataError(
            f"{source} has no column `{IMAGE}`, of base64 texts of image files: it has "
            f"{', '.join(schema.names) or 'none'}"
        )
    kind = schema.field(IMAGE).type
    texts = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(check(texts) for check in is_text):
        raise DataError(
            f"{source}: the column `{IMAGE}` is of type {kind}: it must hold strings, base64 of "
            "image files"
        )
    others = [field for field in schema if field.name != IMAGE]
    taken = sorted({field.name for field in others} & set(ANSWER.names))
    if taken:
        raise DataError(
            f"{source} has a column `{taken[0]}`, as the answers have: rename it, or leave it out"
        )
    return pa.schema([*others, *ANSWER], metadata=schema.metadata)


def _windows(
    file: pq.ParquetFile, source: Path, workers: int, n_classes: int
) -> Iterator[pa.Table]:
    """The rows of a file, one window at a time."""
    rows_per_task, tasks = _sizes(file.metadata, workers, n_classes)
    batches: list[pa.RecordBatch] = []
    done = 0
    try:
        for batch in file.iter_batches(batch_size=rows_per_task):
            batches.append(batch)
            if len(batches) == tasks:
                yield pa.Table.from_batches(batches)
                done += sum(map(len, batches))
                batches = []
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{source} is damaged: its rows from {done} on cannot be read ({first_line(error)})"
        ) from None
    if batches:
        yield pa.Table.from_batches(batches)


def _sizes(metadata: pq.FileMetaData, workers: int, n_classes: int) -> tuple[int, int]:
    """Rows per task, and tasks per window, by the size of rows and of answers."""
    total = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    bytes_per_row = total / max(1, metadata.num_rows) + n_classes * BYTES_PER_PROBABILITY
    rows = max(1, min(ROWS_PER_TASK, int(BYTES_PER_TASK / bytes_per_row)))
    tasks = max(
        workers, min(TASKS_PER_WORKER * workers, int(BYTES_PER_WINDOW / bytes_per_row / rows))
    )
    return rows, tasks


def _answers(champion: Package, rows: pa.Table) -> pa.Table:
    """The answers to a window, in the order of its rows."""
    tasks = [part.to_pylist() for part in rows.column(IMAGE).chunks]
    return pa.Table.from_pylist([*chain(*champion.ask("answers", tasks))], schema=ANSWER)


def _count(score: Score, answers: pa.Table) -> None:
    errors = answers.column(ERROR)
    unanswered = len(errors) - errors.null_count
    if unanswered and not score.unanswered:
        at, sentence = next((n, e) for n, e in enumerate(errors.to_pylist()) if e is not None)
        score.first = f"row {score.rows + at}: {sentence}"
    score.unanswered += unanswered
    score.rows += len(answers)
