"""A running server: its answers are MLflow's, and it counts, logs and protects them."""

import json
import shutil
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
from mlflow.pyfunc import PyFuncModel, scoring_server

from tests.processes import free_port
from tests.serving.conftest import broken, register
from tests.serving.running import JSON, Server, exchange, image
from tests.serving.stand_in import LABELS, answer, classes

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
def model(registry: str) -> PyFuncModel:
    """The same model without the server."""
    mlflow.set_tracking_uri(registry)
    loaded: PyFuncModel = mlflow.pyfunc.load_model("models:/hpoe-digits@champion")
    return loaded


def answers(server: Server, *images: str) -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = server.post({"inputs": images}).json()["predictions"]
    return predictions


FORMS: dict[str, Callable[[list[str]], object]] = {
    "records": lambda images: {"dataframe_records": [{"image": i} for i in images]},
    "split": lambda images: {"dataframe_split": pd.DataFrame({"image": images}).to_dict("split")},
    "split, flat": lambda images: {"dataframe_split": {"columns": ["image"], "data": images}},
    "instances, records": lambda images: {"instances": [{"image": i} for i in images]},
    "instances, columns": lambda images: {"instances": {"image": images}},
    "inputs, texts": lambda images: {"inputs": images, "params": {}},
    "inputs, one text": lambda images: {"inputs": {"image": images[0]}},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_json_form_is_answered_as_mlflow_answers_it(
    server: Server, model: PyFuncModel, form: str
) -> None:
    body = json.dumps(FORMS[form]([image(1), image(2**63), image(1)])).encode()
    schema = model.metadata.get_input_schema()
    expected = scoring_server.invocations(body, "application/json", model, schema)
    reply = server.post(body)
    assert (reply.status, reply.body.decode()) == (200, expected.response)
    assert reply.headers["content-type"] == "application/json"


TABLES: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "text/csv": lambda table: table.to_csv(index=False).encode(),
    "text/csv; charset=UTF-8": lambda table: table.to_csv(index=True).encode(),
    scoring_server.CONTENT_TYPE_PARQUET: lambda table: table.to_parquet(),
}


@pytest.mark.parametrize("content_type", TABLES)
def test_a_table_as_pandas_writes_it_is_answered_as_mlflow_answers_it(
    server: Server, model: PyFuncModel, content_type: str
) -> None:
    images = [image(1), f"data:image/png;base64,{image(2)}", image(1)]
    body = TABLES[content_type](pd.DataFrame({"image": images}))
    schema = model.metadata.get_input_schema()
    expected = scoring_server.invocations(body, content_type.partition(";")[0], model, schema)
    reply = server.post(body, headers={"Content-Type": content_type})
    assert (reply.status, reply.body.decode()) == (200, expected.response)


def test_ping_health_and_version_are_mlflows(server: Server) -> None:
    for path in ("/ping", "/health"):
        assert (server.get(path).status, server.get(path).body) == (200, b"\n")
    assert server.get("/version").body.decode() == mlflow.__version__


def test_an_image_is_explained_by_the_model_and_within_the_servers_limit(server: Server) -> None:
    reply = server.post({"image": image(3)}, "/explain")
    assert (reply.status, reply.json()) == (200, {**answer(image(3)), "max_pixels": PIXELS})


def test_classes_are_listed(server: Server) -> None:
    reply = server.get("/classes")
    assert (reply.status, reply.json()) == (200, classes())
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/ping", "/metrics", "/classes", "/nothing", "/invocations"])
def test_every_response_keeps_browsers_to_the_pages_own(server: Server, path: str) -> None:
    headers = server.get(path).headers
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert path != "/" or headers["content-type"] == "text/html; charset=utf-8"


def test_clients_at_the_same_time_each_get_their_own_answers(server: Server) -> None:
    """Requests of one image, and of so many that the workers share them."""

    def ask(client: int) -> bool:
        connection = server.connect()
        right = []
        for request, size in enumerate((1, 3, 25, 250)):
            first = (client * 10 + request) * 1000
            images = [image(number) for number in range(first, first + size)]
            body = json.dumps({"inputs": images}).encode()
            reply = exchange(connection, "POST", "/invocations", body, JSON)
            right.append(reply.json()["predictions"] == [answer(image) for image in images])
        connection.close()
        return all(right)

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(32)))


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
        "unknown": ("hpoe_refused_total", {"version": "1"}),
        "scores": ("hpoe_known_score_count", {"version": "1"}),
        "low scores": ("hpoe_known_score_bucket", {"version": "1", "le": "0.0"}),
        "typicalities": ("hpoe_typicality_sum", {"version": "1"}),
        "untypical": ("hpoe_typicality_bucket", {"version": "1", "le": "10.0"}),
        **{
            f"label {label}": ("hpoe_answers_total", {"version": "1", "label": label})
            for label in LABELS
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
    labels = Counter(row["label"] for row in expected)
    assert {key: after[key] - before[key] for key in names} == pytest.approx(
        {
            "answered": 3,
            "refused": 2,
            "lost": 1,
            "timed": 5,
            "tables": 3,
            "records": 34,
            "pairs": 1,
            "unknown": sum(not row["is_known"] for row in expected),
            "scores": 34,
            "low scores": sum(row["known_score"] <= 0 for row in expected),
            "typicalities": sum(row["typicality"] for row in expected),
            "untypical": sum(row["typicality"] <= 10 for row in expected),
            **{f"label {label}": labels[label] for label in LABELS},
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


def write_one_image(path: Path) -> None:
    pd.DataFrame({"image": [image(1)]}).to_parquet(path)


def hpoe(folder: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).with_name("hpoe")), *command],
        cwd=folder,
        env={
            "PATH": "",
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
            "HPOE_SERVE_PORT": str(free_port()),
            "HPOE_SERVE_WORKERS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def refusal(folder: Path, **environment: str) -> str:
    """What `hpoe serve` prints when it refuses to start."""
    done = hpoe(folder, "serve", **environment)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a project in which nothing has run."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "pipelines").mkdir()
    return tmp_path


def test_an_address_that_cannot_be_used_is_told(project: Path, server: Server) -> None:
    told = refusal(project, HPOE_SERVE_PORT=str(server.port))
    assert f"cannot listen at 127.0.0.1, port {server.port} (Address already in use)" in told
    assert "cannot listen at 256.0.0.1" in refusal(project, HPOE_SERVE_HOST="256.0.0.1")


def test_without_a_champion_the_way_to_one_is_told(project: Path, registry: str) -> None:
    told = "has no model hpoe-digits with the alias champion: `dvc repro`"
    assert told in refusal(project)
    assert not (project / "mlruns").exists()
    shutil.copy(registry.removeprefix("sqlite:///"), project / "mlflow.db")
    uri = f"sqlite:///{project}/mlflow.db"
    mlflow.MlflowClient(uri, uri).delete_registered_model_alias("hpoe-digits", "champion")
    assert told in refusal(project, MLFLOW_TRACKING_URI=uri)


def test_a_registry_that_does_not_answer_or_refuses_is_told(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    told = refusal(tmp_path, MLFLOW_TRACKING_URI=uri)
    assert f"the tracking server {uri} does not answer" in told

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            told = refusal(tmp_path, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
    assert "cannot be fetched from http" in told
    assert "or does not let this login see it" in told


def test_a_model_of_the_first_contract_is_refused_and_the_way_out_told(tmp_path: Path) -> None:
    remedy = "contract 1, and this hpoe serves contract 2; run `dvc repro`, or `hpoe sync`"
    uri = register(tmp_path, contract=None)
    told = refusal(tmp_path, MLFLOW_TRACKING_URI=uri)
    assert "version 1 was registered by another version of hpoe" in told
    assert remedy in told
    (tmp_path / "one.png").write_bytes(b"")
    for command in (["predict", "one.png"], ["score", "in.parquet", "out.parquet"]):
        write_one_image(tmp_path / "in.parquet")
        done = hpoe(tmp_path, *command, MLFLOW_TRACKING_URI=uri)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert remedy in done.stderr


def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    uri = register(tmp_path, broken(tmp_path))
    told = refusal(tmp_path, MLFLOW_TRACKING_URI=uri)
    assert "version 1 cannot be loaded (OSError: some of it is missing): `hpoe rollback`" in told
