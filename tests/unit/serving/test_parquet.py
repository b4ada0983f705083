"""Batch scoring with a real champion: its answers, in order, in bounded memory; bad rows told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpoe.errors import DataError, RegistryError
from hpoe.registration.registry import Registry
from hpoe.serving import parquet as batch
from hpoe.serving.parquet import ANSWER, BYTES_A_WINDOW, Outcome, _opened, _windows, score_file
from hpoe_recognition.pyfunc import data_url
from tests.unit.recognition.systems import images, recogniser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

HPOE = str(Path(sys.executable).parent / "hpoe")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose registry has a tiny champion."""
    folder = tmp_path_factory.mktemp("store")
    before = Path.cwd()
    os.chdir(folder)  # where the embedded store is made
    Path("mlruns").mkdir()
    registry = Registry("")
    experiment = mlflow.create_experiment("hpoe", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment) as run:
        pass
    nothing = pd.DataFrame({name: [0] for name in ("index", "label", "prediction")})
    example = data_url(images(1)[0])
    registry.promote(registry.add(run.info.run_id, recogniser(), nothing, example, {}))
    yield folder
    os.chdir(before)


@pytest.fixture
def registry(store: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.chdir(store)
    monkeypatch.setattr(sys, "path", [*sys.path])  # where MLflow puts the code of a loaded model
    return Registry("")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "out.parquet"


def texts(count: int) -> list[str]:
    return [data_url(image) for image in images(count)]


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def score(registry: Registry, source: Path, target: Path, workers: int = 1) -> Outcome:
    return score_file(registry, source, target, workers, lambda *_: None)


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_are_the_models_in_the_order_of_the_rows(
    registry: Registry, tmp_path: Path, target: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several windows, of several tasks each, from several row groups."""
    monkeypatch.setattr(batch, "ROWS_A_TASK", 7)
    monkeypatch.setattr(batch, "TASKS_A_WORKER", 2)
    given = texts(60)
    source = parquet(tmp_path / "in.parquet", {"key": range(60), "image": given}, row_group_size=25)
    assert score(registry, source, target, workers) == Outcome(rows=60)
    found = pq.read_table(target)
    assert found.schema.names == ["key", *ANSWER.names]
    assert found["key"].to_pylist() == list(range(60))
    assert found["error"].null_count == 60
    answers = registry.load_champion().predict(pd.DataFrame({"image": given}))
    assert len({answer["digit"] for answer in answers}) > 1
    for name in ("digit", "looks_like_digit"):
        assert found[name].to_pylist() == [answer[name] for answer in answers]
    for name in ("probability", "probabilities", "typicality", "digit_score"):
        expected = np.array([answer[name] for answer in answers])
        np.testing.assert_allclose(np.array(found[name].to_pylist()), expected, atol=1e-4)


def test_a_row_without_an_image_costs_its_own_answer_only(
    registry: Registry, tmp_path: Path, target: Path
) -> None:
    given: list[str | None] = [*texts(8)]
    given[2], given[3], given[6] = None, "not base64!", "aGVsbG8="
    source = parquet(tmp_path / "in.parquet", {"image": given})
    outcome = score(registry, source, target)
    assert outcome == Outcome(8, 3, "row 2: there is no image: it is null")
    found = pq.read_table(target).to_pylist()
    bad = {at: row["error"] for at, row in enumerate(found) if row["error"] is not None}
    assert list(bad) == [2, 3, 6]
    assert "is not base64: send" in bad[3]
    assert "is not a PNG, JPEG, WebP or GIF file" in bad[6]
    for at, row in enumerate(found):
        assert all((row[name] is None) == (at in bad) for name in ANSWER.names if name != "error")
    (alone,) = registry.load_champion().predict(pd.DataFrame({"image": [given[7]]}))
    assert found[7]["digit"] == alone["digit"]


def test_a_file_of_nothing_but_bad_rows_is_an_error(
    registry: Registry, tmp_path: Path, target: Path
) -> None:
    source = parquet(tmp_path / "in.parquet", {"image": ["x!", None]})
    with pytest.raises(DataError, match=r"none of its images can be read; row 0: .*not base64"):
        score(registry, source, target)
    assert not target.exists()


def test_a_file_without_rows_gives_one_without_rows(
    registry: Registry, tmp_path: Path, target: Path
) -> None:
    source = parquet(tmp_path / "in.parquet", {"image": pa.array([], pa.string())})
    assert score(registry, source, target) == Outcome()
    assert pq.read_table(target).schema.names == ANSWER.names


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_other_kinds_of_strings_are_taken(
    registry: Registry, tmp_path: Path, target: Path, kind: pa.DataType
) -> None:
    given = pa.array(texts(3)).cast(kind)
    source = parquet(tmp_path / "in.parquet", {"image": given})
    assert score(registry, source, target) == Outcome(rows=3)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"picture": ["x"], "key": [1]}, "has no column `image`.*: it has picture, key"),
        ({"image": [b"x"]}, "column `image` is of type binary: it must hold strings"),
        ({"image": [1]}, "column `image` is of type int64: it must hold strings"),
        ({"image": ["x"], "digit": [1]}, "has a column `digit`, as the answers have: rename it"),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    registry: Registry, tmp_path: Path, target: Path, columns: dict[str, Any], sentence: str
) -> None:
    source = parquet(tmp_path / "in.parquet", columns)
    with pytest.raises(DataError, match=rf"in\.parquet.*{sentence}"):
        score(registry, source, target)
    assert not target.exists()


def test_a_file_that_is_not_there_or_no_parquet_is_told(
    registry: Registry, tmp_path: Path, target: Path
) -> None:
    source = tmp_path / "in.parquet"
    with pytest.raises(DataError, match="is not there: name a Parquet file"):
        score(registry, source, target)
    source.write_text("id,image")
    with pytest.raises(DataError, match="is not a Parquet file"):
        score(registry, source, target)


def test_a_damaged_file_is_told_and_leaves_an_older_result(
    registry: Registry, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "TASKS_A_WORKER", 1)
    monkeypatch.setattr(batch, "ROWS_A_TASK", 10)
    source = parquet(tmp_path / "in.parquet", {"image": texts(40)}, row_group_size=10)
    score(registry, source, target)
    before = target.read_bytes()
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged: its rows from [12]0 on cannot be read"):
        score(registry, source, target)
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]


def test_the_file_itself_is_not_overwritten(registry: Registry, tmp_path: Path) -> None:
    source = parquet(tmp_path / "in.parquet", {"image": texts(1)})
    with pytest.raises(DataError, match="would be overwritten: name another file"):
        score(registry, source, source)


def test_a_registry_without_a_champion_is_told_before_anything_is_written(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mlruns").mkdir()
    source = parquet(tmp_path / "in.parquet", {"image": texts(1)})
    with pytest.raises(RegistryError, match="no registered model"):
        score(Registry(""), source, target)
    assert not target.parent.exists()


def test_the_command_says_what_came_of_it(store: Path, tmp_path: Path, target: Path) -> None:
    source = parquet(tmp_path / "in.parquet", {"image": [*texts(3), None, *texts(6)]})
    done = subprocess.run(
        [HPOE, "score", str(source), str(target)],
        cwd=store,
        env={**os.environ, "HPOE_WORKERS": "2", "COLUMNS": "200"},
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
    source = parquet(tmp_path / "in.parquet", columns, use_dictionary=False)
    before = pa.total_allocated_bytes()
    with _opened(source) as file:
        held = [pa.total_allocated_bytes() for _ in _windows(file, source, 2)]
    assert len(held) > 10
    assert max(held) - before < 6 * BYTES_A_WINDOW
