"""Parsing of request bodies: the texts of the images, or an error that says what to send.

As MLflow's scoring server, this takes a table in four JSON forms, CSV and Parquet.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NoReturn

from starlette.requests import Request

from hpoe.errors import RequestError

Body = bytes | bytearray
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
CHARSETS = ("", "charset=utf-8", 'charset="utf-8"')
FORMS = ("dataframe_records", "dataframe_split", "instances", "inputs")
SEND = 'send {"dataframe_records": [{"image": "<base64 of an image file>"}]}'
SEND_SPLIT = (
    'send {"dataframe_split": {"columns": ["image"], "data": [["<base64 of an image file>"]]}}'
)
SEND_ONE = 'send {"image": "<base64 of an image file>"}'
SEND_CSV = "send a first line `image`, then one base64 of an image file per line"
SEND_PARQUET = "send a Parquet file with one text column, `image`"
KINDS = {bool: "a truth value", int: "a number", float: "a number", list: "a list"}
VALUES_PER_RECORD = 8
"""Maximum number of brackets and commas that JSON needs for a record, with room to spare."""


async def read_body(request: Request, limit: int) -> bytearray:
    """Read the body; at most `limit` bytes of it are ever held, whatever its headers say.

    Raises:
        RequestError: it is larger, or compressed.
    """
    too_large = RequestError(413, f"the body is too large: send at most {limit} bytes")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestError(415, "the body is compressed: send it without Content-Encoding")
    if int(request.headers.get("content-length", 0)) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            raise too_large
        body += chunk
    return body


def images_in(body: Body, content_type: str | None, max_records: int) -> list[str]:
    """The text of each record's image.

    Raises:
        RequestError: the body is not a table of one column, `image`, of texts; the message says
            which record is wrong (the first is record 0), and what to send.
    """
    readers: dict[str, Callable[[Body, int], Iterable[Any]]] = {
        JSON: _from_json,
        CSV: _from_csv,
        PARQUET: _from_parquet,
    }
    images = list(islice(readers[_media_type(content_type)](body, max_records), max_records + 1))
    if len(images) > max_records:
        raise _too_many(max_records)
    if not images:
        raise _bad("the request has no records")
    for number, image in enumerate(images):
        _check(image, f"record {number}: `image`")
    return images


def image_in(body: Body, content_type: str | None) -> str:
    """The text of the one image of a request to explain.

    Raises:
        RequestError: the body is not a JSON object of one text, `image`.
    """
    if _media_type(content_type) != JSON:
        raise RequestError(415, f"the Content-Type must be {JSON}: {SEND_ONE}")
    content = _parse(body, 1, SEND_ONE)
    if not isinstance(content, dict) or set(content) != {"image"}:
        raise _bad("the request must be an object with `image` alone", SEND_ONE)
    _check(content["image"], "`image`")
    return str(content["image"])


def _media_type(content_type: str | None) -> str:
    """Return the media type; others are refused as by MLflow, and so is a missing one."""
    if content_type is None:
        raise RequestError(415, f"the request has no Content-Type: {SEND} as {JSON}")
    media_type, *parameters = [part.strip().lower() for part in content_type.split(";")]
    if media_type not in (JSON, CSV, PARQUET):
        raise RequestError(415, f"the Content-Type must be {JSON}, {CSV} or {PARQUET}: {SEND}")
    if any(parameter not in CHARSETS for parameter in parameters):
        raise RequestError(415, "the Content-Type may have no parameter but charset=utf-8")
    return media_type


def _check(image: object, name: str) -> None:
    send = "send the base64 of an image file"
    if image is None:
        raise _bad(f"{name} is null", send)
    if not isinstance(image, str):
        raise _bad(f"{name} is {KINDS.get(type(image), 'an object')}", f"{send}, as text")
    if not image.isascii():
        raise _bad(f"{name} is not base64", send)


def _bad(what: str, send: str = SEND) -> RequestError:
    return RequestError(400, f"{what}: {send}")


def _too_many(max_records: int) -> RequestError:
    return _bad("the request has too many records", f"send at most {max_records}")


# JSON


def _parse(body: Body, max_records: int, send: str) -> Any:  # noqa: ANN401
    """Parse JSON, unless it has more brackets and commas than the records need.

    Base64 has no brackets, and a data URL one comma, so a short count bounds the memory that the
    parsed value takes, and how deep it nests.
    """
    parts = body.count(b",") + body.count(b"[") + body.count(b"{")
    if parts > VALUES_PER_RECORD * (max_records + 8):
        raise _bad(
            f"the JSON has more values than {max_records} records need, or nests too deeply",
            f"{send}, at most {max_records} records",
        )

    def refuse(_: str) -> NoReturn:
        raise ValueError

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise _bad("the body is not JSON", send) from None


def _from_json(body: Body, max_records: int) -> Iterable[Any]:
    content = _parse(body, max_records, SEND)
    if not isinstance(content, dict) or len(set(content) & set(FORMS)) != 1:
        raise _bad(f"the request must be an object with one of {', '.join(FORMS)}")
    if content.pop("params", None) not in (None, {}):
        raise RequestError(400, "the request has params, which the model takes none of")
    (form, *others) = sorted(content, key=lambda key: key not in FORMS)
    if others:
        raise _bad(f"the request has a field beside `{form}`")
    readers = {"dataframe_records": _records, "dataframe_split": _split}
    return readers.get(form, _instances)(content[form], form)


def _records(rows: object, form: str) -> Iterable[Any]:
    if not isinstance(rows, list):
        raise _bad(f"`{form}` is not a list")
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _bad(f"record {number} is not an object")
        if set(row) != {"image"}:
            wrong = "a column beside `image`" if "image" in row else "no column `image`"
            raise _bad(f"record {number} has {wrong}")
        yield row["image"]


def _instances(values: object, form: str) -> Iterable[Any]:
    """`instances` and `inputs`: records, texts alone, or an object of columns."""
    if isinstance(values, dict):
        if set(values) != {"image"}:
            raise _bad(f"`{form}` must have the column `image` alone")
        images = values["image"]
        return images if isinstance(images, list) else [images]
    if isinstance(values, list) and values and not isinstance(values[0], dict):
        return values
    return _records(values, form)


def _split(table: object, form: str) -> Iterable[Any]:
    required, optional = {"columns", "data"}, {"index"}
    if not isinstance(table, dict) or not required <= set(table) <= required | optional:
        raise _bad(f"`{form}` must be an object with `columns` and `data`", SEND_SPLIT)
    rows, index = table["data"], table.get("index")
    if table["columns"] != ["image"]:
        raise _bad("the only column must be `image`", SEND_SPLIT)
    if not isinstance(rows, list):
        raise _bad("`data` is not a list", SEND_SPLIT)
    if index is not None and not (isinstance(index, list) and len(index) == len(rows)):
        raise _bad("`index` must be a list as long as `data`, or left out", SEND_SPLIT)
    for number, row in enumerate(rows):
        if isinstance(row, list) and len(row) != 1:
            raise _bad(f"record {number} must have one value, the image", SEND_SPLIT)
        yield row[0] if isinstance(row, list) else row


# CSV, Parquet


def _from_csv(body: Body, _: int) -> Iterable[Any]:
    """A table as pandas writes it, with or without its index."""
    csv.field_size_limit(max(len(body), csv.field_size_limit()))
    try:
        text = body.decode("utf-8-sig")
        rows = (row for row in csv.reader(io.StringIO(text, newline="")) if row)
        header = next(rows, [])
        if header not in (["image"], ["", "image"]):
            raise _bad("the CSV's only column must be `image`", SEND_CSV)
        for number, row in enumerate(rows):
            if len(row) != len(header):
                raise _bad(f"record {number} must have {len(header)} values", SEND_CSV)
            yield row[-1]
    except (UnicodeDecodeError, csv.Error):
        raise _bad("the body is not CSV in UTF-8", SEND_CSV) from None


def _from_parquet(body: Body, max_records: int) -> Iterable[Any]:
    """A table whose size is read before its content: few bytes may unpack to very many."""
    import pyarrow
    import pyarrow.parquet

    try:
        if pyarrow.parquet.read_schema(io.BytesIO(body)).names != ["image"]:
            raise _bad("the Parquet file's only column must be `image`", SEND_PARQUET)
        file = pyarrow.parquet.ParquetFile(io.BytesIO(body), read_dictionary=["image"])
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        if file.metadata.num_rows > max_records:
            raise _too_many(max_records)
        _check_unpacked(sum(group.total_byte_size for group in groups), body)
        chunks = file.read().column("image").chunks
        values = [(chunk.dictionary.to_pylist(), chunk.indices.to_pylist()) for chunk in chunks]
    except RequestError:
        raise
    except Exception:  # of many kinds, in a file made to be wrong
        raise _bad("the body is not a Parquet file of text", SEND_PARQUET) from None
    images = [None if i is None else texts[i] for texts, indices in values for i in indices]
    _check_unpacked(sum(len(image) for image in images if isinstance(image, str)), body)
    return images


def _check_unpacked(size: int, body: Body) -> None:
    """Limit the size of strings when expanded: Parquet stores equal strings once."""
    if size > 2 * len(body) + 2**20:
        raise RequestError(413, "the Parquet file unpacks to far more than its own size")
