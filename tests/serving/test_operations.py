"""A running server: its answers are MLflow's, and it counts, logs and protects them."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.pyfunc import PyFuncModel, scoring_server

from hpoe.errors import ServingError
from hpoe.serving.champion import Champion, fetch_champion, load_champion
from tests.serving.running import JSON, Server, exchange, free_port, image
from tests.serving.stand_in import answer

pytestmark = pytest.mark.slow
PIXELS = 12345


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Server]:
    """A server as `hpoe serve` starts it, but for one limit."""
    limits = {"HPOE_SERVE_MAX_PIXELS": str(PIXELS)}
    server = Server(tmp_path_factory.mktemp("server"), registry, limits).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, registry: str) -> PyFuncModel:
    """The same model without the server."""
    loaded = load_champion(fetch_champion(registry, tmp_path_factory.mktemp("copy")), 1, 1)
    assert isinstance(loaded, PyFuncModel)
    return loaded


def answers(server: Server, *images: str) -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = server.post({"inputs": images}).json()["predictions"]
    return predictions


def test_an_answer_leaves_the_server_in_one_piece(server: Server) -> None:
    """Headers that leave before the body would be half an answer, were the server killed then."""
    body = json.dumps({"inputs": [image(1)]}).encode()
    head = f"POST /invocations HTTP/1.1\r\nHost: localhost:{server.port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for _ in range(100):
            connection.sendall(head.encode() + body)
            headers, _, rest = connection.recv(2**16).partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", headers)
            assert length is not None
            assert len(rest) == int(length[1])


IMAGES = st.lists(st.integers(0, 2**63).map(image), min_size=1, max_size=5)
FORMS: dict[str, Callable[[list[str]], object]] = {
    "records": lambda images: {"dataframe_records": [{"image": i} for i in images]},
    "split": lambda images: {
        "dataframe_split": {"columns": ["image"], "data": [[i] for i in images]}
    },
    "split, indexed": lambda images: json.loads(
        json.dumps({"dataframe_split": pd.DataFrame({"image": images}).to_dict("split")})
    ),
    "split, flat": lambda images: {"dataframe_split": {"columns": ["image"], "data": images}},
    "instances, records": lambda images: {"instances": [{"image": i} for i in images]},
    "instances, texts": lambda images: {"instances": images},
    "instances, columns": lambda images: {"instances": {"image": images}},
    "inputs, records": lambda images: {"inputs": [{"image": i} for i in images], "params": {}},
    "inputs, texts": lambda images: {"inputs": images},
    "inputs, columns": lambda images: {"inputs": {"image": images}},
    "inputs, one text": lambda images: {"inputs": {"image": images[0]}},
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=10)
@given(images=IMAGES)
def test_a_json_form_is_answered_as_mlflow_answers_it(
    server: Server, model: PyFuncModel, form: str, images: list[str]
) -> None:
    body = json.dumps(FORMS[form](images)).encode()
    schema = model.metadata.get_input_schema()
    expected = scoring_server.invocations(body, "application/json", model, schema)
    reply = server.post(body)
    assert (reply.status, reply.body.decode()) == (200, expected.response)
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=UTF-8"])
@pytest.mark.parametrize("index", [True, False])
def test_csv_as_pandas_writes_it_is_answered_as_mlflow_answers_it(
    server: Server, model: PyFuncModel, content_type: str, index: bool
) -> None:
    images = [image(1), f"data:image/png;base64,{image(2)}"]
    body = pd.DataFrame({"image": images}).to_csv(index=index).encode()
    schema = model.metadata.get_input_schema()
    expected = scoring_server.invocations(body, "text/csv", model, schema)
    reply = server.post(body, headers={"Content-Type": content_type})
    assert (reply.status, reply.body.decode()) == (200, expected.response)


@pytest.mark.parametrize("images", [[image(1)], [image(1), image(2), image(1)]])
def test_parquet_is_answered_as_mlflow_answers_it(
    server: Server, model: PyFuncModel, images: list[str], tmp_path: Path
) -> None:
    pd.DataFrame({"image": images}).to_parquet(tmp_path / "images")
    body, content_type = (tmp_path / "images").read_bytes(), scoring_server.CONTENT_TYPE_PARQUET
    expected = scoring_server.invocations(body, content_type, model, None)
    reply = server.post(body, headers={"Content-Type": content_type})
    assert (reply.status, reply.body.decode()) == (200, expected.response)


def test_ping_health_and_version_are_mlflows(server: Server) -> None:
    for path in ("/ping", "/health"):
        assert (server.get(path).status, server.get(path).body) == (200, b"\n")
    assert server.get("/version").body.decode() == mlflow.__version__


def test_an_image_is_explained_by_the_model_and_within_the_servers_limit(server: Server) -> None:
    reply = server.post({"image": image(3)}, "/explain")
    assert (reply.status, reply.json()) == (200, {**answer(image(3)), "max_pixels": PIXELS})


def test_the_page_is_at_the_root(server: Server) -> None:
    reply = server.get("/")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/", "/ping", "/metrics", "/nothing", "/invocations"])
def test_every_response_keeps_browsers_to_the_pages_own(server: Server, path: str) -> None:
    headers = server.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize("clients", [8, 32])
def test_clients_at_the_same_time_each_get_their_own_answers(server: Server, clients: int) -> None:
    def ask(client: int) -> bool:
        connection = server.connect()
        right = []
        for request in range(10):
            first = (client * 10 + request) * 10
            images = [image(number) for number in range(first, first + request % 4 + 1)]
            body = json.dumps({"inputs": images}).encode()
            reply = exchange(connection, "POST", "/invocations", body, JSON)
            right.append(reply.json()["predictions"] == [answer(image) for image in images])
        connection.close()
        return all(right)

    with ThreadPoolExecutor(clients) as pool:
        assert all(pool.map(ask, range(clients)))


def test_what_was_asked_and_answered_is_counted_at_once(server: Server) -> None:
    """The exact counts that a known sequence adds, in a request right after it."""
    batches = [[image(number) for number in range(size)] for size in (1, 3, 30)]
    given = [record for batch in batches for record in batch]
    expected = [answer(record) for record in given]
    names = {
        "answered": ("hpoe_requests_total", {"path": "/invocations", "status": "200"}),
        "refused": ("hpoe_requests_total", {"path": "/invocations", "status": "400"}),
        "lost": ("hpoe_requests_total", {"path": "other", "status": "404"}),
        "timed": ("hpoe_request_seconds_count", {"path": "/invocations"}),
        "tables": ("hpoe_records_per_request_count", {"version": "1"}),
        "records": ("hpoe_records_per_request_sum", {"version": "1"}),
        "pairs": ("hpoe_records_per_request_bucket", {"version": "1", "le": "2.0"}),
        "not digits": ("hpoe_refused_total", {"version": "1"}),
        "scores": ("hpoe_digit_score_count", {"version": "1"}),
        "low scores": ("hpoe_digit_score_bucket", {"version": "1", "le": "0.0"}),
        "typicalities": ("hpoe_typicality_sum", {"version": "1"}),
        "untypical": ("hpoe_typicality_bucket", {"version": "1", "le": "10.0"}),
        **{
            f"digit {digit}": ("hpoe_digits_total", {"version": "1", "digit": str(digit)})
            for digit in range(10)
        },
    }

    def counts() -> dict[str, float]:
        return {key: server.metric(name, **labels) for key, (name, labels) in names.items()}

    before = counts()
    for batch in batches:
        answers(server, *batch)
    server.post({"inputs": ["no image"]})
    server.post({"inputs": [image(1), "no image"]})
    server.get("/nothing")
    after = counts()
    digits = Counter(row["digit"] for row in expected)
    assert {key: after[key] - before[key] for key in names} == pytest.approx(
        {
            "answered": 3,
            "refused": 2,
            "lost": 1,
            "timed": 5,
            "tables": 3,
            "records": 34,
            "pairs": 1,
            "not digits": sum(not row["looks_like_digit"] for row in expected),
            "scores": 34,
            "low scores": sum(row["digit_score"] <= 0 for row in expected),
            "typicalities": sum(row["typicality"] for row in expected),
            "untypical": sum(row["typicality"] <= 10 for row in expected),
            **{f"digit {digit}": digits[digit] for digit in range(10)},
        }
    )


def test_a_request_is_one_line_of_json_without_its_content(server: Server) -> None:
    before = len(server.requests_logged())
    answers(server, image(77), image(78))
    server.post({"inputs": ["c2VjcmV0"]})
    server.send("GET", "/?image=c2VjcmV0", headers={"Authorization": "c2VjcmV0"})
    server.post(b"c2VjcmV0", "/explain")
    server.get("/" + "x" * 5000)
    lines = server.requests_logged()[before:]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/invocations", 200),
        ("POST", "/invocations", 400),
        ("GET", "/", 200),
        ("POST", "/explain", 400),
        ("GET", "/" + "x" * 199, 404),
    ]
    assert [line.get("records") for line in lines] == [2, 1, None, None, None]
    for line in lines:
        assert set(line) - {"records"} == {
            *("time", "level", "message", "client", "method", "path", "status", "milliseconds")
        }
        assert line["client"] == "127.0.0.1"
        assert 0 < line["milliseconds"] < 60_000
    for content in ("c2VjcmV0", image(77), "trace", "WARNING"):
        assert content not in server.log()


# What keeps it from starting.


def refusal(folder: Path, *options: str, **environment: str) -> str:
    """What `hpoe serve` prints when it refuses to start."""
    command = [str(Path(sys.executable).with_name("hpoe")), "serve", *options]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2] / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_an_address_that_is_taken_is_told(tmp_path: Path, server: Server) -> None:
    told = refusal(tmp_path, "--port", str(server.port))
    assert f"cannot listen at 127.0.0.1, port {server.port} (Address already in use)" in told


def test_a_host_that_is_none_is_told(tmp_path: Path) -> None:
    assert "cannot listen at 256.0.0.1" in refusal(tmp_path, "--host", "256.0.0.1")


def test_without_a_champion_the_way_to_one_is_told(tmp_path: Path) -> None:
    told = refusal(tmp_path, HPOE_SERVE_PORT=str(free_port()))
    assert "has no model hpoe-digits with the alias champion: `make repro`" in told
    assert not list(tmp_path.iterdir())


def test_a_registry_that_does_not_answer_is_told(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    told = refusal(tmp_path, HPOE_SERVE_PORT=str(free_port()), MLFLOW_TRACKING_URI=uri)
    assert f"the tracking server {uri} does not answer" in told


def test_a_registry_without_the_alias_is_told(tmp_path: Path, registry: str) -> None:
    shutil.copy(registry.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.MlflowClient(uri, uri).delete_registered_model_alias("hpoe-digits", "champion")
    with pytest.raises(ServingError, match="has no model hpoe-digits with the alias champion"):
        fetch_champion(uri, tmp_path)


def test_a_registry_that_fails_is_told(tmp_path: Path) -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Failing) as registry, ThreadPoolExecutor(1) as pool:
        pool.submit(registry.serve_forever)
        try:
            with pytest.raises(ServingError, match="cannot be fetched from http"):
                fetch_champion(f"http://127.0.0.1:{registry.server_port}", tmp_path)
        finally:
            registry.shutdown()


def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="version 7 cannot be loaded"):
        load_champion(Champion("7", tmp_path), 1, 1)
