"""Scoring a Parquet file of images with the champion, in bounded memory.

Rows are read a window at a time, scored by several processes, and written in their order.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from hpoe.compute.parallel import run_in_order
from hpoe.errors import DataError
from hpoe.files import replacing
from hpoe.registration.registry import Registry

IMAGE, ERROR = "image", "error"
ANSWER = pa.schema(
    [
        ("digit", pa.int64()),
        ("probability", pa.float64()),
        ("probabilities", pa.list_(pa.float64())),
        ("typicality", pa.float64()),
        ("looks_like_digit", pa.bool_()),
        ("digit_score", pa.float64()),
        (ERROR, pa.string()),
    ]
)
"""The columns that are added: the model's answer, or why there is none."""
ROWS_A_TASK = 100
"""Images a prediction: what the model computes in one pass."""
BYTES_A_TASK = 2**21
"""Of rows, decoded from Parquet: large photos make smaller tasks."""
TASKS_A_WORKER = 64
"""Of a window: enough that workers seldom wait for its last one."""
BYTES_A_WINDOW = 2**24
"""As far as each worker has a task: what bounds memory, with any number of workers."""
BUFFER = 2**20
"""Bytes of a column that are read ahead."""


@dataclass(frozen=True)
class Task:
    """Images for one process, and where the model lies that it asks."""

    model: Path
    texts: list[str | None]


@dataclass
class Outcome:
    """What came of a file."""

    rows: int = 0
    unanswered: int = 0
    first: str = ""
    """The first row without an answer, and why."""


def score_file(
    registry: Registry, source: Path, target: Path, workers: int, show: Callable[[int, int], None]
) -> Outcome:
    """Write the champion's answers to the images of a Parquet file, a row a row, in order.

    Args:
        registry: has the champion.
        source: has a column `image` of base64 texts; other columns are passed through.
        target: written beside its place and renamed, so that it is whole or not there.
        workers: processes, of one thread each.
        show: is called with the number of rows that are done, and of all.

    Raises:
        DataError: the file is no such file, or none of its rows holds an image.
        RegistryError: there is no champion.
        StorageError: the target could not be written.
    """
    outcome = Outcome()
    with _opened(source) as file, TemporaryDirectory() as folder:
        schema = _target_schema(file.schema_arrow, source)
        if target.exists() and target.samefile(source):
            raise DataError(f"{source} would be overwritten: name another file for the answers")
        model = registry.fetch_champion(Path(folder))
        with replacing(target) as path, pq.ParquetWriter(path, schema) as writer:
            for rows in _windows(file, source, workers):
                answers = _answers(rows, model, workers)
                _count(outcome, answers)
                others = rows.drop_columns([IMAGE])
                writer.write_table(
                    pa.Table.from_arrays([*others.columns, *answers.columns], schema=schema)
                )
                show(outcome.rows, file.metadata.num_rows)
            if outcome.rows and outcome.unanswered == outcome.rows:
                raise DataError(f"{source}: none of its images can be read; {outcome.first}")
    return outcome


@contextmanager
def _opened(source: Path) -> Iterator[pq.ParquetFile]:
    if not source.is_file():
        raise DataError(f"{source} is not there: name a Parquet file with a column `{IMAGE}`")
    try:
        file = pq.ParquetFile(source, buffer_size=BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source} is not a Parquet file: {_first_line(error)}") from None
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
    if not (pa.types.is_string(texts) or pa.types.is_large_string(texts)):
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


def _windows(file: pq.ParquetFile, source: Path, workers: int) -> Iterator[pa.Table]:
    """The rows of a file, a window at a time."""
    rows_a_task, tasks = _sizes(file.metadata, workers)
    batches: list[pa.RecordBatch] = []
    done = 0
    try:
        for batch in file.iter_batches(batch_size=rows_a_task):
            batches.append(batch)
            if len(batches) == tasks:
                yield pa.Table.from_batches(batches)
                done += sum(map(len, batches))
                batches = []
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{source} is damaged: its rows from {done} on cannot be read ({_first_line(error)})"
        ) from None
    if batches:
        yield pa.Table.from_batches(batches)


def _sizes(metadata: pq.FileMetaData, workers: int) -> tuple[int, int]:
    """How many rows a task has, and how many tasks a window."""
    total = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    bytes_a_row = max(1.0, total / max(1, metadata.num_rows))
    rows = max(1, min(ROWS_A_TASK, int(BYTES_A_TASK / bytes_a_row)))
    tasks = max(workers, min(TASKS_A_WORKER * workers, int(BYTES_A_WINDOW / bytes_a_row / rows)))
    return rows, tasks


def _answers(rows: pa.Table, model: Path, workers: int) -> pa.Table:
    """The answers to a window, in the order of its rows."""
    parts = rows.column(IMAGE).chunks
    tasks = [Task(model, part.to_pylist()) for part in parts]
    return pa.Table.from_batches(run_in_order(_score, tasks, workers), schema=ANSWER)


def _count(outcome: Outcome, answers: pa.Table) -> None:
    errors = answers.column(ERROR)
    unanswered = len(errors) - errors.null_count
    if unanswered and not outcome.unanswered:
        at, sentence = next((n, e) for n, e in enumerate(errors.to_pylist()) if e is not None)
        outcome.first = f"row {outcome.rows + at}: {sentence}"
    outcome.unanswered += unanswered
    outcome.rows += len(answers)


def _score(task: Task) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(ask(_loaded(task.model), task.texts), schema=ANSWER)


def ask(model: Any, texts: list[str | None]) -> list[dict[str, Any]]:  # noqa: ANN401 - pyfunc
    """An answer a text, or the `error` why there is none.

    The model refuses a whole request for one bad record, and names it: it is asked again without.
    """
    from mlflow.exceptions import MlflowException

    answers: list[dict[str, Any]] = [{ERROR: "there is no image: it is null"} for _ in texts]
    left = [at for at, text in enumerate(texts) if text is not None]
    while left:
        try:
            given = model.predict(pd.DataFrame({IMAGE: [texts[at] for at in left]}))
        except MlflowException as error:
            refused = re.fullmatch(r"record (\d+): (.*)", error.message, re.DOTALL)
            if refused is None:
                raise
            answers[left.pop(int(refused[1]))] = {ERROR: refused[2]}
        else:
            for at, answer in zip(left, given, strict=True):
                answers[at] = answer
            break
    return answers


@cache
def _loaded(model: Path) -> Any:  # noqa: ANN401 - MLflow's pyfunc
    """The packaged model, loaded once a process, which has one thread."""
    import mlflow

    threadpool_limits(1)
    return mlflow.pyfunc.load_model(str(model))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
