"""What is no table of images is refused with a sentence that says what to send."""

import io
import json
from typing import Any

import pandas as pd
import pytest

from hpoe.errors import RequestError
from hpoe.serving.requests import CSV, JSON, PARQUET, image_in, images_in

MAX_RECORDS = 50
GOOD = "iVBORw0KGgo="


def records(*images: object) -> dict[str, Any]:
    return {"dataframe_records": [{"image": image} for image in images]}


def split(**table: object) -> dict[str, Any]:
    return {"dataframe_split": {"columns": ["image"], "data": [[GOOD]], **table}}


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, compression="zstd")
    return buffer.getvalue()


JSON_CASES: dict[str, tuple[object, str]] = {
    "empty body": (b"", "not JSON"),
    "NaN": (b'{"inputs": [NaN]}', "not JSON"),
    "no form": ({"image": GOOD}, "must be an object with one of"),
    "a form for language models": ({"messages": [], "inputs": [GOOD]}, "a field beside `inputs`"),
    "params": ({"inputs": [GOOD], "params": {"temperature": 1}}, "has params"),
    "no records": ({"dataframe_records": []}, "has no records"),
    "records as an object": ({"dataframe_records": {"image": GOOD}}, "is not a list"),
    "a record that is a text": ({"dataframe_records": [GOOD]}, "record 0 is not an object"),
    "another name": ({"instances": [{"Image": GOOD}]}, "record 0 has no column `image`"),
    "another column": ({"inputs": [{"image": GOOD, "x": 3}]}, "record 0 has a column beside"),
    "texts and records": ({"inputs": [GOOD, {"image": GOOD}]}, "record 1: `image` is an object"),
    "null": (records(GOOD, None), "record 1: `image` is null"),
    "letters beyond base64": (records("é" + GOOD), "record 0: `image` is not base64"),
    "no columns": ({"dataframe_split": {"data": [[GOOD]]}}, "`columns` and `data`"),
    "a wide row": (split(data=[[GOOD], [GOOD, GOOD]]), "record 1 must have one value"),
    "a short index": (split(index=[]), "`index` must be"),
    "too many records": (records(*["x"] * (MAX_RECORDS + 1)), "too many records"),
    "far too many texts": ({"inputs": ["x"] * 100_000}, "more values than 50 records need"),
    "deep nesting": (b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nests too deeply"),
}
TABLE_CASES = [
    (CSV, b"image,x\na,b\n", 400, "only column must be `image`"),
    (CSV, f"image\n{GOOD}\n{GOOD},{GOOD}\n".encode(), 400, "record 1 must have 1 values"),
    (CSV, b"image\n\xff\xfe\n", 400, "not CSV in UTF-8"),
    (CSV, b"image\n" + b"x\n" * 1000, 400, "too many records"),
    (PARQUET, b"PAR1", 400, "not a Parquet file"),
    (PARQUET, parquet(picture=[GOOD]), 400, "only column must be `image`"),
    (PARQUET, parquet(image=[GOOD, None]), 400, "record 1: `image` is null"),
    (PARQUET, parquet(image=["x"] * 1_000_000), 400, "too many records"),
    (PARQUET, parquet(image=[1, 2]), 400, "not a Parquet file of text"),
    (PARQUET, parquet(image=["x" * 200_000] * MAX_RECORDS), 413, "unpacks to far more"),
    *(
        (content_type, json.dumps(records(GOOD)).encode(), 415, "Content-Type")
        for content_type in (None, "text/plain", f"{JSON}; charset=latin-1")
    ),
]


@pytest.mark.parametrize("case", JSON_CASES)
def test_json_that_is_no_table_of_images_is_refused(case: str) -> None:
    content, part = JSON_CASES[case]
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(RequestError, match=part) as refused:
        images_in(body, JSON, MAX_RECORDS)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("content_type", "body", "status", "part"), TABLE_CASES, ids=range(len(TABLE_CASES))
)
def test_another_table_or_type_is_refused(
    content_type: str | None, body: bytes, status: int, part: str
) -> None:
    with pytest.raises(RequestError, match=part) as refused:
        images_in(body, content_type, MAX_RECORDS)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ([GOOD], "an object with `image` alone"),
        ({"image": GOOD, "more": 1}, "an object with `image` alone"),
        ({"image": 5}, "`image` is a number"),
        ({"image": [[[]]] * 500}, "nests too deeply"),
    ],
)
def test_what_is_no_image_to_explain_is_refused(content: object, part: str) -> None:
    with pytest.raises(RequestError, match=part):
        image_in(json.dumps(content).encode(), JSON)
