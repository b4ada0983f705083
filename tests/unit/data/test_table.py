"""Tables: every form of image and label is read, and what is missing is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpoe.data.intake import Intake
from hpoe.errors import DataError
from hpoe_recognition.images import base64_png
from tests.unit.data.sources import intake, picture, save

COLUMNS = {"image": "image", "label": "label", "group": None}
PIXELS = {**COLUMNS, "image": None}
LABELS = ["b", "NA", "b", "NA"]
EXPECTED = np.array([picture(number) for number in range(4)])


def read(path: Path, columns: dict[str, str | None] = COLUMNS, **given: Any) -> Intake:
    return intake("table", path, columns=columns, **given)


def refusal(path: Path, columns: dict[str, str | None] = COLUMNS) -> str:
    with pytest.raises(DataError) as caught:
        read(path, columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def encoded(folder: Path) -> list[bytes]:
    return [save(folder / f"{number}.png", number).read_bytes() for number in range(4)]


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_column_of_files_in_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "some.parquet", image=encoded(tmp_path), label=LABELS)
    found = read(path)
    np.testing.assert_array_equal(found.images, EXPECTED)
    assert found.labels == LABELS
    assert found.names == [f"some.parquet, row {row}" for row in (1, 2, 3, 4)]


def test_the_form_of_hugging_face_with_named_labels_and_shards(tmp_path: Path) -> None:
    files, names = encoded(tmp_path / "images"), ["cat", "dog"]
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for shard, rows in (("train-00000-of-00002", [0, 1]), ("train-00001-of-00002", [2]),
                        ("test-00000-of-00001", [3])):  # fmt: skip
        images = [{"bytes": files[row], "path": f"{row}.png"} for row in rows]
        table = pa.table({"image": images, "label": [row % 2 for row in rows]})
        pq.write_table(table.replace_schema_metadata(told), tmp_path / f"{shard}.parquet")
    found = read(tmp_path)
    np.testing.assert_array_equal(found.images, EXPECTED)
    assert found.labels == ["cat", "dog", "cat", "dog"]
    assert found.is_test is not None
    assert found.is_test.tolist() == [False, False, False, True]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_of_paths_relative_to_the_table_and_one_of_groups(
    tmp_path: Path, suffix: str
) -> None:
    encoded(tmp_path / "images")
    table = {
        "file": [f"images/{number}.png" for number in range(4)],
        "class": [1, 10, 1, 10],
        "writer": ["p", "q", "p", "q"],
    }
    path = tmp_path / f"some{suffix}"
    frame = pd.DataFrame(table)
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    found = read(path, {"image": "file", "label": "class", "group": "writer"})
    np.testing.assert_array_equal(found.images, EXPECTED)
    assert found.labels == ["1", "10", "1", "10"]
    assert found.groups == ["p", "q", "p", "q"]


def test_data_urls_in_csv_and_a_label_that_pandas_would_take_for_nothing(tmp_path: Path) -> None:
    urls = [f"data:image/png;base64,{base64_png(picture(number))}" for number in range(4)]
    path = tmp_path / "some.csv"
    pd.DataFrame({"image": urls, "label": LABELS}).to_csv(path, index=False)
    found = read(path)
    np.testing.assert_array_equal(found.images, EXPECTED)
    assert found.labels == LABELS


@pytest.mark.parametrize("name", ["pixel{}", "{}x"])
def test_kaggles_columns_of_pixels(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame(EXPECTED.reshape(4, 64), columns=[name.format(n) for n in range(64)])
    frame.insert(0, "label", [3, 4, 3, 4])
    frame.to_csv(tmp_path / "train.csv.gz", index=False)
    frame.to_parquet(tmp_path / "train.parquet")
    for file in ("train.csv.gz", "train.parquet"):
        found = read(tmp_path / file, PIXELS)
        np.testing.assert_array_equal(found.images, EXPECTED)
        assert found.labels == ["3", "4", "3", "4"]


def test_pixels_that_are_no_images_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    frame = pd.DataFrame(np.zeros((2, 65), int), columns=[f"p{n}" for n in range(65)])
    frame.assign(label=["a", "b"]).to_csv(path, index=False)
    assert "has 65 columns beside the labels: pixels of images of 8 x 8 would be 64" in refusal(
        path, PIXELS
    )
    frame.iloc[:, :64].assign(p3=0.5, label=["a", "b"]).to_csv(path, index=False)
    assert "not all of it whole numbers from 0 to 255" in refusal(path, PIXELS)


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = parquet(tmp_path / "some.parquet", picture=encoded(tmp_path), label=LABELS)
    said = refusal(path)
    assert said == (f"{path} has no column 'image': set data.columns to some of 'picture', 'label'")


@pytest.mark.parametrize("missing", [None, " "])
def test_missing_labels_are_counted_and_the_first_named(
    tmp_path: Path, missing: str | None
) -> None:
    labels = ["a", missing, "b", missing]
    path = parquet(tmp_path / "some.parquet", image=encoded(tmp_path), label=labels)
    assert "2 of 4 rows have nothing in the column 'label' (row 2, row 4)" in refusal(path)


def test_missing_images_are_unreadable(tmp_path: Path) -> None:
    files = [*encoded(tmp_path)[:3], None]
    path = parquet(tmp_path / "some.parquet", image=files, label=LABELS)
    assert "some.parquet, row 4: there is no image" in refusal(path)
    assert len(read(path, skip_unreadable=True).labels) == 3


def test_a_path_out_of_the_tables_folder_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1)
    path = tmp_path / "tables" / "some.csv"
    path.parent.mkdir()
    path.write_text("image,label\n../1.png,a\n../1.png,b\n")
    assert "leads out of" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\xff\xfe\x00", b'"a\n1,2,3'])
@pytest.mark.parametrize("name", ["some.csv", "some.parquet"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    said = refusal(tmp_path / name)
    assert "can be read" in said or "has no column" in said


def test_a_folder_without_tables_for_training_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "test.parquet", image=encoded(tmp_path), label=LABELS)
    assert "has no tables for training" in refusal(tmp_path)
