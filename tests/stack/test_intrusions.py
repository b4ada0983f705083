"""Nobody gets in: what strangers and readers try, through the gateway and around it."""

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy

from tests.serving.running import JSON, Reply, Server, exchange
from tests.stack.champions import login_header, register_small_model
from tests.stack.routes import routes
from tests.stack.services import ADMIN, ADMIN_PASSWORD, DATABASE_PASSWORD, Services

pytestmark = pytest.mark.slow
READER, READER_PASSWORD = "reader", "reader-password-of-tests"
API = "/api/2.0/mlflow"


@dataclass
class Site:
    """A stack with a champion, a run of it, and a user who may only read."""

    services: Services
    run: str
    experiment: str
    answers: dict[str, str]

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] = b"",
        headers: dict[str, str] | None = None,
        *,
        port: int = 0,
    ) -> Reply:
        """Send a request exactly as it is, to the gateway if to nothing else."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", port or self.services.gateway.port, timeout=60
        )
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            return exchange(connection, method, path, content, {**JSON, **(headers or {})})
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stack in use: a model is served, and a reader has been added."""
    answers = register_small_model(services.gateway.uri, services.mlflow.login("pipeline"))
    folder, login = tmp_path_factory.mktemp("model"), services.mlflow.login("model")
    server = Server(folder, services.mlflow.uri, login, services.model_port)
    ((run, experiment),) = services.postgres.query(
        "SELECT run_uuid, experiment_id FROM runs WHERE name = 'small model' "
        "ORDER BY start_time DESC LIMIT 1"
    )
    site = Site(services, run, str(experiment), answers)
    reader = {"username": READER, "password": READER_PASSWORD}
    assert site.ask("POST", f"{API}/users/create", reader, ADMINISTERS).status == 200
    try:
        server.start()
        yield site
    finally:
        server.kill()


READS = login_header(READER, READER_PASSWORD)
ADMINISTERS = login_header(ADMIN, ADMIN_PASSWORD)


def writes(site: Site) -> dict[str, str]:
    """The login of the pipeline, which may change runs and models."""
    login = site.services.mlflow.login("pipeline")
    return login_header(login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])


LOGINS = {
    "none": {},
    "another password": login_header(ADMIN, "another-password"),
    "MLflow's old default": login_header("admin", "password1234"),
    "a token": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    "headers that proxies set": {
        "X-Forwarded-User": "admin",
        "X-WEBAUTH-USER": "admin",
        "X-MLflow-Authorization": "Basic x",
        "X-Original-URL": "/health",
        "X-Forwarded-Prefix": "/health",
    },
}


@pytest.mark.parametrize("name", LOGINS)
def test_without_a_valid_login_everything_is_refused(site: Site, name: str) -> None:
    artifact = f"/get-artifact?path=x&run_uuid={site.run}"
    for path in ("/", f"{API}/experiments/search", "/digits/", "/version", artifact):
        assert site.ask("GET", path, headers=LOGINS[name]).status == 401, path
    for path in ("/invocations", "/graphql"):
        assert site.ask("POST", path, headers=LOGINS[name]).status == 401, path
    assert site.ask("GET", "/metrics", headers=LOGINS[name]).status == 404


@pytest.mark.parametrize("around", [False, True], ids=["gateway", "mlflow itself"])
def test_no_route_of_mlflow_is_open_to_strangers(site: Site, *, around: bool) -> None:
    port = site.services.mlflow.port if around else 0
    statuses = Counter[int]()
    for path, method in listed():
        if not is_public(path, around=around):
            status = site.ask(method, path, port=port).status
            assert status in (401, 404, 405), (method, path, status)
            statuses[status] += 1
    assert statuses[401] > 300


def listed() -> list[tuple[str, str]]:
    """All routes, and those of past bypasses of MLflow's login, which its listing leaves out."""
    jobs = [f"/ajax-api/3.0/jobs{end}" for end in ("", "/", "/1")]
    others = ["/v1/traces", "/gateway/x/mlflow/invocations", "/gateway/mlflow/v1/chat"]
    return [*routes(), *((path, "GET") for path in jobs), *((p, "POST") for p in (*jobs, *others))]


def is_public(path: str, *, around: bool) -> bool:
    """Return whether a path needs no login: health checks, and around the gateway static files."""
    if around and path.startswith(("/static-files", "/health", "/version", "/build")):
        return True
    return path == "/health" or (around and path.endswith("/mlflow/server-info"))


@pytest.mark.parametrize("host", ["evil.example:8080", "localhost.evil.example", "mlflow:5000"])
def test_another_host_name_is_refused(site: Site, host: str) -> None:
    """DNS rebinding: a page of evil.example whose name turns into this machine's address."""
    headers = {"Host": host, **ADMINISTERS}
    assert site.ask("GET", f"{API}/users/list", headers=headers).status == 421
    assert site.ask("POST", "/invocations", headers=headers).status == 421
    around = site.ask("GET", f"{API}/users/list", headers=headers, port=site.services.mlflow.port)
    assert around.status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_page_of_another_origin_is_refused(site: Site, origin: str) -> None:
    headers = {"Origin": origin, **ADMINISTERS}
    for method, path in (("GET", f"{API}/users/list"), ("POST", "/invocations")):
        reply = site.ask(method, path, headers=headers)
        assert reply.status == 403, path
        assert "Access-Control-Allow-Origin" not in reply.headers
    asking = {"Access-Control-Request-Method": "POST", "Origin": origin}
    reply = site.ask("OPTIONS", f"{API}/experiments/create", headers=asking)
    assert reply.status in (401, 403)
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize(
    ("path", "size"), [(f"{API}/runs/log-batch", 17), ("/invocations", 66), ("/digits/explain", 66)]
)
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(
    site: Site, path: str, size: int
) -> None:
    length = {"Content-Length": str(size * 2**20), **ADMINISTERS}
    with socket.create_connection(("127.0.0.1", site.services.gateway.port), timeout=30) as wire:
        lines = [f"POST {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in length.items()]
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_as_large_as_its_path_takes_goes_through(site: Site) -> None:
    """More than other paths take: checking the login must not apply their limit."""
    files = f"/api/2.0/mlflow-artifacts/artifacts/workspaces/default/{site.experiment}/{site.run}"
    content = bytes(17 * 2**20)
    path = f"{files}/artifacts/large"
    assert site.ask("PUT", path, content, writes(site)).status == 200
    assert site.ask("GET", path, headers=READS).body == content
    reply = site.ask("POST", "/invocations", content, READS)
    assert reply.status == 400  # the model server's own word
    assert "JSON" in reply.json()["message"]


def test_slow_clients_are_cut_off_and_hinder_nobody(site: Site) -> None:
    """Slowloris: headers that never end, and bodies that pause; others are answered meanwhile."""
    address = ("127.0.0.1", site.services.gateway.port)
    login = "".join(f"{name}: {value}\r\n" for name, value in READS.items())
    slow = [socket.create_connection(address, timeout=60) for _ in range(200)]
    try:
        for number, wire in enumerate(slow):
            wire.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            if number % 2:
                wire.sendall(f"{login}Content-Length: 1000\r\n\r\nx".encode())
        before = time.monotonic()
        assert (
            site.ask("POST", "/invocations", {"inputs": [*site.answers][:1]}, READS).status == 200
        )
        assert time.monotonic() - before < 10  # before the gateway has cut any of them off
        assert {ending(wire) for wire in slow} <= {b"", b"408"}
        assert time.monotonic() - before < 60
    finally:
        for wire in slow:
            wire.close()


def ending(wire: socket.socket) -> bytes:
    """Return the status with which the gateway closes a connection, if it says any."""
    try:
        return wire.recv(20).removeprefix(b"HTTP/1.1 ")[:3]
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "login", ["mlflow", "mlflow:postgres", "postgres", f"postgres:{DATABASE_PASSWORD}"]
)
def test_postgres_refuses_everybody_without_its_password(site: Site, login: str) -> None:
    """The superuser has no password, so that it cannot log in over the network."""
    uri = f"postgresql+psycopg2://{login}@127.0.0.1:{site.services.postgres.port}/mlflow"
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"password|authentication"):
        engine.connect()


def test_a_reader_looks_and_predicts(site: Site) -> None:
    for path in (
        "/",
        f"{API}/experiments/search?max_results=5",
        f"{API}/runs/get?run_id={site.run}",
        f"{API}/registered-models/get?name=hpoe-digits",
        "/digits/",
    ):
        assert site.ask("GET", path, headers=READS).status == 200, path
    for image, label in site.answers.items():
        reply = site.ask("POST", "/invocations", {"inputs": [image]}, READS)
        assert reply.json()["predictions"][0]["label"] == label


def attempts(site: Site) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Valid requests by which a user with the right to do so would change something."""
    model = {"name": "hpoe-digits"}
    yield "POST", "experiments/create", {"name": "mine"}
    yield "POST", "runs/create", {"experiment_id": site.experiment}
    yield "POST", "runs/set-tag", {"run_id": site.run, "key": "k", "value": "v"}
    yield "POST", "registered-models/alias", {**model, "version": "1", "alias": "champion"}
    yield "POST", "model-versions/create", {**model, "source": f"runs:/{site.run}/model"}
    yield "DELETE", "registered-models/delete", model
    yield "POST", "users/create", {"username": "friend", "password": "friend-of-the-reader"}
    yield "PATCH", "users/update-password", {"username": ADMIN, "password": "mine-from-now-on"}


def test_a_reader_changes_nothing(site: Site) -> None:
    """Neither by valid requests, nor by an empty one to each of MLflow's routes."""
    before = contents(site)
    for method, path, body in attempts(site):
        for prefix in ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"):
            reply = site.ask(method, prefix + path, body, READS)
            assert reply.status == 403, (method, path, reply.status, reply.body[:200])
    files = f"/api/2.0/mlflow-artifacts/artifacts/workspaces/default/{site.experiment}/{site.run}"
    for method in ("PUT", "DELETE"):
        assert site.ask(method, f"{files}/artifacts/x", b"x", READS).status == 403
    for path, method in routes():
        if method != "GET":
            site.ask(method, path, {}, READS)
    assert contents(site) == before


def contents(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of MLflow's database, by table, as digests."""
    query = site.services.postgres.query
    tables = query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {
        name: query(f"SELECT md5(t::text) FROM {name} t ORDER BY 1")  # noqa: S608
        for (name,) in tables
    }
