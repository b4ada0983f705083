"""Scoring a Parquet file with a real champion: its answers, in order, in bounded memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpoe.errors import DataError, RegistryError
from hpoe.registration.packages import Package
from hpoe.registration.registry import Registry
from hpoe.serving import parquet
from hpoe.serving.parquet import ANSWER, Score, score_file
from hpoe.tracking.store import Tracker
from hpoe_recognition.images import KINDS
from hpoe_recognition.pyfunc import data_url
from tests.unit.recognition.systems import LABELS, images, registered

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
HPOE = str(Path(sys.executable).parent / "hpoe")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a tiny champion."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
    Tracker(uri)
    registry = Registry(uri)
    registry.promote(registered(registry))
    return uri


@pytest.fixture(scope="module")
def champion(uri: str) -> Iterator[Package]:
    """The champion, to be asked without a file."""
    with closing(Package(Registry(uri), 1, 1)) as package:
        yield package


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "out.parquet"


def texts(count: int) -> list[str]:
    return [data_url(image) for image in images(count)]


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def score(uri: str, source: Path, target: Path, workers: int = 1) -> Score:
    return score_file(uri, source, target, workers, lambda *_: None)


def test_answers_are_the_models_in_the_order_of_the_rows(
    uri: str, champion: Package, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several windows, of several tasks each, from several row groups."""
    monkeypatch.setattr(parquet, "ROWS_PER_TASK", 7)
    monkeypatch.setattr(parquet, "TASKS_PER_WORKER", 2)
    given = texts(60)
    source = write(tmp_path / "in.parquet", {"key": range(60), "image": given}, row_group_size=25)
    assert score(uri, source, target, workers=2) == Score(rows=60)
    found = pq.read_table(target)
    assert found.schema.names == ["key", *ANSWER.names]
    assert found["key"].to_pylist() == list(range(60))
    assert found["error"].null_count == 60
    probabilities = found.to_pandas(maps_as_pydicts="strict")["probabilities"]
    assert all(isinstance(each, dict) for each in probabilities)
    answers = champion.submit("answers", given).result()
    assert len({answer["label"] for answer in answers}) > 1
    for row, answer in zip(found.to_pylist(maps_as_pydicts="strict"), answers, strict=True):
        assert list(row["probabilities"]) == list(LABELS)
        for name in set(ANSWER.names) - {"error"}:
            assert row[name] == pytest.approx(answer[name], abs=1e-4), name


def test_a_row_without_an_image_costs_its_own_answer_only(
    uri: str, champion: Package, tmp_path: Path, target: Path
) -> None:
    given: list[str | None] = [*texts(8)]
    given[2], given[3], given[6] = None, "not base64!", "aGVsbG8="
    source = write(tmp_path / "in.parquet", {"image": given})
    scored = score(uri, source, target)
    assert (scored.rows, scored.unanswered) == (8, 3)
    assert scored.first.startswith("row 2: the image is null: send base64 of")
    found = pq.read_table(target).to_pylist()
    bad = {at: row["error"] for at, row in enumerate(found) if row["error"] is not None}
    assert list(bad) == [2, 3, 6]
    assert "is not base64: send" in bad[3]
    assert f"is not a {KINDS} file" in bad[6]
    for at, row in enumerate(found):
        assert all((row[name] is None) == (at in bad) for name in ANSWER.names if name != "error")
    (alone,) = champion.submit("answers", [given[7]]).result()
    assert found[7]["label"] == alone["label"]


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (pa.large_string(), 3),
        (pa.string_view(), 3),
        (pa.dictionary(pa.int32(), pa.string()), 3),
        (pa.string(), 0),
    ],
)
def test_other_kinds_of_strings_and_none_at_all_are_taken(
    uri: str, tmp_path: Path, target: Path, kind: pa.DataType, count: int
) -> None:
    images = pa.array(texts(count), pa.string()).cast(kind)
    assert score(uri, write(tmp_path / "in.parquet", {"image": images}), target) == Score(count)
    assert pq.read_table(target).schema.names == ANSWER.names


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"picture": ["x"], "key": [1]}, "has no column `image`.*: it has picture, key"),
        ({"image": [b"x"]}, "column `image` is of type binary: it must hold strings"),
        ({"image": ["x"], "label": [1]}, "has a column `label`, as the answers have: rename it"),
        ({"image": ["x!", None]}, "none of its images can be read; row 0: .*not base64"),
        (None, "is not there: name a Parquet file"),
        (b"id,image", "is not a Parquet file"),
    ],
    ids=range(6),
)
def test_a_file_that_does_not_fit_is_told(
    uri: str, tmp_path: Path, target: Path, columns: dict[str, Any] | bytes | None, sentence: str
) -> None:
    source = tmp_path / "in.parquet"
    if isinstance(columns, bytes):
        source.write_bytes(columns)
    elif columns is not None:
        write(source, columns)
    with pytest.raises(DataError, match=rf"in\.parquet.*{sentence}"):
        score(uri, source, target)
    assert not target.exists()


def test_a_damaged_file_is_told_and_leaves_an_older_result(
    uri: str, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "TASKS_PER_WORKER", 1)
    monkeypatch.setattr(parquet, "ROWS_PER_TASK", 10)
    source = write(tmp_path / "in.parquet", {"image": texts(40)}, row_group_size=10)
    score(uri, source, target)
    before = target.read_bytes()
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged: its rows from [12]0 on cannot be read"):
        score(uri, source, target)
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(DataError, match="would be overwritten: name another file"):
        score(uri, source, source)


def test_a_registry_without_a_champion_is_told_before_anything_is_written(
    tmp_path: Path, target: Path
) -> None:
    source = write(tmp_path / "in.parquet", {"image": texts(1)})
    with pytest.raises(RegistryError, match="no model hpoe-digits with the alias champion"):
        score(f"sqlite:///{tmp_path}/mlflow.db", source, target)
    assert not target.parent.exists()


def test_the_command_says_what_came_of_it(uri: str, tmp_path: Path, target: Path) -> None:
    source = write(tmp_path / "in.parquet", {"image": [*texts(3), None, *texts(6)]})
    done = subprocess.run(
        [HPOE, "score", str(source), str(target)],
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "HPOE_WORKERS": "2", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "out.parquet: 10 images in" in done.stdout
    assert "1 of them have no answer, the column `error` says why; row 3: " in done.stdout


def test_no_more_than_some_windows_are_held(tmp_path: Path) -> None:
    """Of a file of 320 MB."""
    notes = [os.urandom(40_000) for _ in range(100)] * 80
    columns = {"note": notes, "image": ["x"] * len(notes)}
    source = write(tmp_path / "in.parquet", columns, use_dictionary=False)
    before = pa.total_allocated_bytes()
    with parquet._opened(source) as file:
        held = [pa.total_allocated_bytes() for _ in parquet._windows(file, source, 2, n_classes=10)]
    assert len(held) > 10
    assert max(held) - before < 6 * parquet.BYTES_PER_WINDOW


@pytest.mark.parametrize("n_classes", [2, 10, 1000, 100_000])
def test_no_more_answers_are_held_than_a_window_has_room_for(
    tmp_path: Path, n_classes: int
) -> None:
    source = write(tmp_path / "in.parquet", {"image": ["x" * 1000] * 20_000})
    with parquet._opened(source) as file:
        rows, tasks = parquet._sizes(file.metadata, 2, n_classes)
    assert tasks >= 2
    most = parquet.BYTES_PER_WINDOW / (n_classes * parquet.BYTES_PER_PROBABILITY)
    assert rows * tasks <= max(most, 2)
