"""Bad input, over HTTP to a running server: 4xx, one sentence, and the server goes on."""

import io
import json
import os
import socket
import zlib
from collections.abc import Iterator
from typing import Any

import pandas as pd
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.running import JSON, Reply, Server, exchange, image

pytestmark = pytest.mark.slow
REQUESTS = int(os.environ.get("REQUESTS", "400"))
CSV = {"Content-Type": "text/csv"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
MAX_BODY, MAX_RECORDS = 1_000_000, 50
NO_IMAGE_FILE = "Tm90IGFuIGltYWdl"  # base64, of no image: no reply may repeat it
GOOD = image(1)
LEAKS = ("Traceback", "site-packages", "/src/", ".py", "Error", "DataFrame", NO_IMAGE_FILE, GOOD)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Server]:
    """A server with small limits."""
    limits = {
        "HPOE_SERVE_MAX_BODY_BYTES": str(MAX_BODY),
        "HPOE_SERVE_MAX_RECORDS": str(MAX_RECORDS),
    }
    server = Server(tmp_path_factory.mktemp("server"), registry, limits).start()
    yield server
    server.kill()


def assert_refused(reply: Reply, *statuses: int) -> str:
    """The reply is JSON with a code and one sentence, which says nothing it should not."""
    assert reply.status in (statuses or (400,)), (reply.status, reply.body[:300])
    assert reply.headers["content-type"] == "application/json"
    content = reply.json()
    assert set(content) == {"error_code", "message"}
    message: str = content["message"]
    assert 10 < len(message) < 300
    assert "\n" not in message
    for leak in LEAKS:
        assert leak not in message
    return message


def records(*images: object) -> dict[str, Any]:
    return {"dataframe_records": [{"image": image} for image in images]}


BODIES: dict[str, tuple[object, str]] = {
    "empty body": (b"", "not JSON"),
    "not JSON": (b"{'image': 1}", "not JSON"),
    "not UTF-8": (b'{"inputs": ["\xff"]}', "not JSON"),
    "NaN": (b'{"inputs": [NaN]}', "not JSON"),
    "a list": ([{"image": GOOD}], "must be an object"),
    "no form": ({"image": GOOD}, "must be an object with one of"),
    "two forms": ({"inputs": [GOOD], "instances": [GOOD]}, "must be an object with one of"),
    "a form for language models": ({"messages": [], "inputs": [GOOD]}, "a field beside `inputs`"),
    "params": ({"inputs": [GOOD], "params": {"temperature": 1}}, "has params"),
    "no records": ({"dataframe_records": []}, "has no records"),
    "no inputs": ({"inputs": {"image": []}}, "has no records"),
    "records as an object": ({"dataframe_records": {"image": GOOD}}, "is not a list"),
    "a record that is a text": ({"dataframe_records": [GOOD]}, "record 0 is not an object"),
    "no image": ({"dataframe_records": [{}]}, "record 0 has no column `image`"),
    "another name": ({"instances": [{"Image": GOOD}]}, "record 0 has no column `image`"),
    "an extra column": (
        {"inputs": [{"image": GOOD}, {"image": GOOD, NO_IMAGE_FILE: 3}]},
        "record 1 has a column beside `image`",
    ),
    "texts and records": ({"inputs": [GOOD, {"image": GOOD}]}, "record 1: `image` is an object"),
    "columns with another name": ({"inputs": {"img": [GOOD]}}, "column `image` alone"),
    "null for an image": (records(GOOD, None), "record 1: `image` is null"),
    "a number": (records(GOOD, GOOD, 5), "record 2: `image` is a number"),
    "a truth value": ({"inputs": {"image": [True]}}, "record 0: `image` is a truth value"),
    "a list of numbers": (records([0, 255, 0]), "record 0: `image` is a list"),
    "no base64": (records(GOOD, "*"), "record 1: `image` is not base64"),
    "letters beyond base64": (records("é" + GOOD), "record 0: `image` is not base64"),
    "half of a pair": (b'{"inputs": ["\\ud800"]}', "record 0: `image` is not base64"),
    "no image file": (records(NO_IMAGE_FILE), "record 0: `image` is no image"),
    "one bad among good": (records(*[GOOD] * 20, NO_IMAGE_FILE, *[GOOD] * 20), "record 20: "),
    "a split without columns": ({"dataframe_split": {"data": [[GOOD]]}}, "`columns` and `data`"),
    "a split with other columns": (
        {"dataframe_split": {"columns": ["x"], "data": [[GOOD]]}},
        "only column must be `image`",
    ),
    "a split with a wide row": (
        {"dataframe_split": {"columns": ["image"], "data": [[GOOD], [GOOD, GOOD]]}},
        "record 1 must have one value",
    ),
    "a split with a short index": (
        {"dataframe_split": {"columns": ["image"], "data": [[GOOD]], "index": []}},
        "`index` must be",
    ),
    "too many records": (records(*["x"] * (MAX_RECORDS + 1)), "too many records"),
    "far too many texts": ({"inputs": ["x"] * 100_000}, "more values than 50 records need"),
    "deep nesting": (b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nests too deeply"),
    "deep objects": (b'{"inputs":' * 100_000 + b"1" + b"}" * 100_000, "nests too deeply"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body_is_refused_with_a_sentence(server: Server, case: str) -> None:
    content, part = BODIES[case]
    if isinstance(content, bytes) and len(content) > MAX_BODY:
        assert_refused(server.post(content), 413)
    else:
        assert part in assert_refused(server.post(content))


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "only column must be `image`"),
        (b"x\n1\n", "only column must be `image`"),
        (b"image,x\na,b\n", "only column must be `image`"),
        (b"image\n", "has no records"),
        (f"image\n{GOOD}\n{GOOD},{GOOD}\n".encode(), "record 1 must have 1 values"),
        (f"image\n{GOOD}\n{NO_IMAGE_FILE}\n".encode(), "record 1: "),
        (b"image\nNaN\n", "record 0: "),
        (b"image\n\xff\xfe\n", "not CSV in UTF-8"),
        (b"image\n" + b"x\n" * 1000, "too many records"),
        (b"," * 900_000, "only column must be `image`"),
    ],
)
def test_bad_csv_is_refused_with_a_sentence(server: Server, body: bytes, part: str) -> None:
    assert part in assert_refused(server.post(body, headers=CSV))


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, compression="zstd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"PAR1", 400, "not a Parquet file"),
        (parquet(image=[GOOD])[:-10], 400, "not a Parquet file"),
        (parquet(picture=[GOOD]), 400, "only column must be `image`"),
        (parquet(image=[GOOD, None]), 400, "record 1: `image` is null"),
        (parquet(image=[GOOD, NO_IMAGE_FILE]), 400, "record 1: "),
        (parquet(image=["x"] * 1_000_000), 400, "too many records"),
        (parquet(image=[1, 2]), 400, "not a Parquet file of text"),
        (parquet(image=["x" * 20_000_000]), 413, "unpacks to far more"),
        (parquet(image=["x" * 200_000] * MAX_RECORDS), 413, "unpacks to far more"),
    ],
    ids=range(9),
)
def test_bad_parquet_is_refused_with_a_sentence(
    server: Server, body: bytes, status: int, part: str
) -> None:
    assert part in assert_refused(server.post(body, headers=PARQUET), status)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "image/png", "multipart/form-data", "application/json; charset=x"],
)
def test_other_content_types_are_refused_as_mlflow_does(
    server: Server, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert "Content-Type" in assert_refused(server.post(records(GOOD), headers=headers), 415)


def test_a_compressed_body_is_refused(server: Server) -> None:
    body = zlib.compress(json.dumps(records(GOOD)).encode())
    reply = server.post(body, headers={**JSON, "Content-Encoding": "deflate"})
    assert "Content-Encoding" in assert_refused(reply, 415)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "not JSON"),
        ({"image": GOOD, "more": 1}, "an object with `image` alone"),
        ({"image": 5}, "`image` is a number"),
        ({"image": NO_IMAGE_FILE}, "`image` is no image"),
        (b"[" * 100_000, "nests too deeply"),
    ],
)
def test_a_bad_image_to_explain_is_refused(server: Server, content: object, part: str) -> None:
    assert part in assert_refused(server.post(content, "/explain"))
    assert_refused(server.post(b"image\nx\n", "/explain", CSV), 415)


@pytest.mark.parametrize("path", ["/invocations", "/explain"])
def test_a_body_over_the_limit_is_refused_before_it_is_sent(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_chunks_over_the_limit_is_refused_while_it_comes(server: Server) -> None:
    """Fifty times the limit, without a Content-Length: refused, and never held."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    server.post(records(GOOD))
    before = process.memory_info().rss
    chunk = b"x" * 65536
    chunks = iter([chunk] * (50 * MAX_BODY // len(chunk)))
    connection = server.connect()
    connection.request("POST", "/invocations", chunks, dict(JSON), encode_chunked=True)
    response = connection.getresponse()
    reply = Reply(response.status, dict(response.getheaders()), response.read())
    assert "send at most 1000000 bytes" in assert_refused(reply, 413)
    assert process.memory_info().rss - before < 10 * MAX_BODY
    connection.close()


def test_a_body_at_the_limit_is_read(server: Server) -> None:
    body = json.dumps(records(GOOD)).encode()
    assert server.post(body.ljust(MAX_BODY)).status == 200
    assert_refused(server.post(body.ljust(MAX_BODY + 1)), 413)


def test_as_many_records_as_allowed_are_answered(server: Server) -> None:
    for content in (records(*[GOOD] * MAX_RECORDS), {"inputs": [f"data:,{GOOD}"] * MAX_RECORDS}):
        assert len(server.post(content).json()["predictions"]) == MAX_RECORDS


def test_what_is_no_http_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/invocations", 405),
        ("POST", "/ping", 405),
        ("DELETE", "/explain", 405),
        ("GET", "/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%2e%2e/app.py", 404),
    ],
)
def test_other_paths_and_methods_are_refused(
    server: Server, method: str, path: str, status: int
) -> None:
    assert_refused(server.send(method, path), status)


# Generated requests. Each is malformed by the way it is made.

KEYS = st.sampled_from(
    ["image", "dataframe_records", "dataframe_split", "inputs", "instances", "params", "columns"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | KEYS,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
    max_leaves=8,
)
NO_IMAGE = VALUES.filter(lambda value: value != GOOD)
VALID = st.integers(1, 5).flatmap(
    lambda count: st.sampled_from(
        [
            records(*[GOOD] * count),
            {"inputs": [GOOD] * count},
            {"instances": {"image": [GOOD] * count}},
            {"dataframe_split": {"columns": ["image"], "data": [[GOOD]] * count}},
        ]
    )
)
PARQUET_FILE = parquet(image=[GOOD] * 5)
Request = tuple[bytes, dict[str, str]]


def cut(content: object, at: float) -> bytes:
    """The beginning of a JSON object; none is JSON."""
    body = json.dumps(content).encode()
    return body[: int(at * len(body))]


def encoded(content: object) -> bytes:
    return json.dumps(content).encode()


@st.composite
def one_bad(draw: st.DrawFn) -> bytes:
    """Good records with a bad one among them."""
    images: list[object] = [GOOD] * draw(st.integers(0, 6))
    images.insert(draw(st.integers(0, len(images))), draw(NO_IMAGE))
    return encoded(
        draw(
            st.sampled_from(
                [
                    records(*images),
                    {"dataframe_split": {"columns": ["image"], "data": [[i] for i in images]}},
                    {"instances": [{"image": i} for i in images]},
                    {"inputs": {"image": images}},
                ]
            )
        )
    )


MALFORMED: st.SearchStrategy[Request] = st.one_of(
    st.tuples(st.binary(max_size=200), st.sampled_from([JSON, CSV, PARQUET])),
    st.tuples(VALUES.map(encoded), st.sampled_from([JSON, CSV, PARQUET])),
    st.tuples(st.dictionaries(KEYS, VALUES, max_size=2).map(encoded), st.just(JSON)),
    st.tuples(st.builds(cut, VALID, st.floats(0, 0.999)), st.just(JSON)),
    st.tuples(one_bad(), st.just(JSON)),
    st.tuples(
        st.lists(st.text(), min_size=1).map(lambda cells: "image\n" + "\n".join(cells) + "\n*"),
        st.just(CSV),
    ).map(lambda pair: (pair[0].encode(), pair[1])),
    st.tuples(
        st.builds(lambda at, byte: flipped(at, byte), st.floats(0, 0.999), st.integers(1, 255)),
        st.just(JSON),
    ),
    st.tuples(
        st.builds(lambda at: PARQUET_FILE[: int(at * len(PARQUET_FILE))], st.floats(0, 0.999)),
        st.just(PARQUET),
    ),
    st.tuples(
        VALID.map(encoded),
        st.text(st.characters(min_codepoint=33, max_codepoint=126)).map(
            lambda name: {"Content-Type": f"x{name}"}
        ),
    ),
)


def flipped(at: float, byte: int) -> bytes:
    """A request with one byte of its structure changed, so that it says something else."""
    body = bytearray(encoded(records(GOOD)))
    structure = [i for i in range(len(body) - len(GOOD)) if body[i] not in b" "][:30]
    body[structure[int(at * len(structure))]] ^= byte
    return bytes(body)


def test_generated_malformed_requests_are_refused_and_the_server_goes_on(server: Server) -> None:
    """REQUESTS=10000 for the long run: no 5xx, no 200, the same process, memory as before."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    connection = server.connect()

    @settings(max_examples=REQUESTS)
    @given(request=MALFORMED)
    def refuses(request: Request) -> None:
        body, headers = request
        reply = exchange(connection, "POST", "/invocations", body, headers)
        assert_refused(reply, 400, 413, 415)

    for number in range(200):  # so that pools and caches have grown
        exchange(connection, "POST", "/invocations", encoded(records(image(number))), JSON)
    before, counted = process.memory_info().rss, server.metric("hpoe_requests_total")
    refuses()
    assert server.metric("hpoe_requests_total") >= counted + REQUESTS
    assert server.post(records(GOOD)).status == 200
    assert process.is_running()
    assert process.memory_info().rss < 1.2 * before
    connection.close()
