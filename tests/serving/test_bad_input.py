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


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def test_what_the_model_refuses_is_named_whichever_worker_was_asked(server: Server) -> None:
    for bad in ("*", NO_IMAGE_FILE):
        images = [*[GOOD] * 20, bad, *[GOOD] * 20]
        assert "record 20: `image` is" in assert_refused(server.post(records(*images)))
        csv = "image\n" + "\n".join(images) + "\n"
        assert "record 20: " in assert_refused(server.post(csv.encode(), headers=CSV))
        assert_refused(server.post(parquet(image=[*images]), headers=PARQUET))


def test_a_compressed_body_is_refused(server: Server) -> None:
    body = zlib.compress(json.dumps(records(GOOD)).encode())
    reply = server.post(body, headers={**JSON, "Content-Encoding": "deflate"})
    assert "Content-Encoding" in assert_refused(reply, 415)


def test_a_bad_image_to_explain_is_refused(server: Server) -> None:
    message = assert_refused(server.post({"image": NO_IMAGE_FILE}, "/explain"))
    assert message.startswith("`image` is no image")
    assert_refused(server.post(b"[" * 100_000, "/explain"))
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
