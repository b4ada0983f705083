"""Nobody is let in: what strangers and readers try, through the gateway and around it."""

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import sqlalchemy

from tests.serving.running import JSON, Reply, Server, exchange
from tests.stack.champions import login_header, register_small_model
from tests.stack.processes import ADMIN, ADMIN_PASSWORD, DATABASE_PASSWORD
from tests.stack.routes import changing, routes
from tests.stack.services import Services
from tests.stack.tables import Table

pytestmark = pytest.mark.slow
READER, READER_PASSWORD = "reader", "reader-password-of-tests"
API = "/api/2.0/mlflow"
note = Table("intrusions", "what was tried", "with", "answer")


@dataclass
class Site:
    """A stack with a champion, a run of it, and a user who may only read."""

    services: Services
    run: str
    experiment: str
    answers: dict[str, int]

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
    """The stack as it is used: a model is served, and a reader has been added."""
    answers = register_small_model(services.gateway.uri, services.mlflow.login("pipeline"))
    server = Server(
        tmp_path_factory.mktemp("model"),
        services.mlflow.uri,
        services.mlflow.login("model"),
        services.model_port,
    )
    made = requests.post(
        f"{services.gateway.uri}{API}/users/create",
        json={"username": READER, "password": READER_PASSWORD},
        auth=(ADMIN, ADMIN_PASSWORD),
        timeout=30,
    )
    assert made.status_code == 200, made.text
    ((run, experiment),) = services.postgres.query(
        "SELECT run_uuid, experiment_id FROM runs WHERE name = 'small model' "
        "ORDER BY start_time DESC LIMIT 1"
    )
    try:
        server.start()
        yield Site(services, run, str(experiment), answers)
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
    "admin, admin": login_header("admin", "admin"),
    "an empty password": login_header("admin", ""),
    "an unknown user": login_header("nobody", "password1234"),
    "SQL": login_header("' OR 1=1 --", "x"),
    "a token": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    "malformed": {"Authorization": "Basic !!!"},
    "names of headers that proxies set": {
        "X-Forwarded-User": "admin", "X-WEBAUTH-USER": "admin", "X-MLflow-Authorization": "Basic x",
        "X-Original-URL": "/health", "X-Rewrite-URL": "/health", "X-Forwarded-Prefix": "/health",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LOGINS)
def test_without_a_login_that_is_valid_there_is_nothing(site: Site, name: str) -> None:
    asked = [
        ("GET", "/"), ("GET", f"{API}/experiments/search?max_results=1"), ("GET", "/digits/"),
        ("POST", "/invocations"), ("POST", "/graphql"), ("GET", "/version"), ("GET", "/metrics"),
        ("GET", f"{API}/users/list"), ("GET", f"/get-artifact?path=x&run_uuid={site.run}"),
    ]  # fmt: skip
    statuses = Counter[int]()
    for method, path in asked:
        refused = site.ask(method, path, headers=LOGINS[name]).status
        assert refused == (404 if path == "/metrics" else 401), path
        statuses[refused] += 1
    note("login", name, statuses)


@pytest.mark.parametrize("around", [False, True], ids=["gateway", "mlflow itself"])
def test_no_route_of_mlflow_is_open_to_strangers(site: Site, *, around: bool) -> None:
    port = site.services.mlflow.port if around else 0
    statuses = Counter[int]()
    for path, method in listed():
        reply = site.ask(method, path, port=port)
        if not is_public(path, around=around):
            statuses[reply.status] += 1
            assert reply.status in (401, 404, 405), (method, path, reply.status)
    assert statuses[401] > 300
    note("every route of MLflow, without a login", "around the gateway" if around else "", statuses)


def listed() -> list[tuple[str, str]]:
    """All routes, and those of past bypasses of MLflow's login, which its listing leaves out."""
    jobs = [
        (f"/ajax-api/3.0/jobs{end}", method)
        for end in ("", "/", "/1")
        for method in ("GET", "POST")
    ]
    others = (
        "/v1/traces",
        "/v1/metrics",
        "/gateway/x/mlflow/invocations",
        "/gateway/mlflow/v1/chat",
    )
    return [*routes(), *jobs, *((path, "POST") for path in others)]


def is_public(path: str, *, around: bool) -> bool:
    """What needs no login: that the server is there; around the gateway also its pages' files."""
    if around and path.startswith(("/static-files", "/health", "/version", "/build")):
        return True
    return path == "/health" or (around and path.endswith("/mlflow/server-info"))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "169.254.169.254",
        "localhost.evil.example",
        "mlflow:5000",
    ],
)
def test_another_name_is_not_served(site: Site, host: str) -> None:
    """DNS rebinding: a page of evil.example whose name turns into this machine's address."""
    asked = {"Host": host, **ADMINISTERS}
    assert site.ask("GET", f"{API}/users/list", headers=asked).status == 421
    assert site.ask("POST", "/invocations", headers=asked).status == 421
    around = site.ask("GET", f"{API}/users/list", headers=asked, port=site.services.mlflow.port)
    assert around.status == 403
    note("Host header", host, "421; around the gateway 403")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1"]
)
def test_a_page_of_another_origin_is_refused(site: Site, origin: str) -> None:
    headers = {"Origin": origin, **ADMINISTERS}
    for method, path in (
        ("POST", f"{API}/experiments/create"), ("GET", f"{API}/users/list"),
        ("POST", "/invocations"), ("DELETE", f"{API}/users/delete"),
    ):  # fmt: skip
        reply = site.ask(method, path, headers=headers)
        assert reply.status == 403, path
        assert "Access-Control-Allow-Origin" not in reply.headers
    asking = {"Access-Control-Request-Method": "POST", "Origin": origin}
    reply = site.ask("OPTIONS", f"{API}/experiments/create", headers=asking)
    assert reply.status in (401, 403)
    assert "Access-Control-Allow-Origin" not in reply.headers
    note("Origin", origin, f"403; preflight {reply.status}")


STEPS = (
    "../../../../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd", "%252e%252e%252f%252e%252e%252fetc/passwd",
    "..%5c..%5cetc%5cpasswd", "/etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd",
    "....//....//etc/passwd", "..;/..;/etc/passwd", "x%00/../../etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("around", [False, True], ids=["gateway", "mlflow itself"])
def test_no_path_leads_out_of_the_artifacts(site: Site, steps: str, *, around: bool) -> None:
    """As the administrator, whom nothing else stops; a name that is odd, but a name, may be one."""
    port = site.services.mlflow.port if around else 0
    files = "/api/2.0/mlflow-artifacts/artifacts"
    asked = [
        ("GET", f"{files}/{steps}"), ("GET", f"/ajax-{files[1:]}/{steps}"),
        ("PUT", f"{files}/{steps}.new"), ("DELETE", f"{files}/{steps}"),
        ("GET", f"{files}?path={steps}"),
        ("GET", f"/get-artifact?run_uuid={site.run}&path={steps}"),
        ("GET", f"/model-versions/get-artifact?name=hpoe-digits&version=1&path={steps}"),
        ("GET", f"{API}/artifacts/list?run_id={site.run}&path={steps}"),
        ("GET", f"/static-files/{steps}"),
        ("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={site.run}&path={steps}"),
    ]  # fmt: skip
    statuses = Counter[int]()
    for method, path in asked:
        reply = site.ask(method, path, b"intruder", ADMINISTERS, port=port)
        assert b"root:" not in reply.body, path
        statuses[reply.status] += 1
        if not around and method == "GET":  # an empty list is no file's, and neither is a page
            assert reply.status >= 300 or b'"is_dir"' not in reply.body, (path, reply.body[:200])
    assert "intruder" not in Path("/etc/passwd").read_text()
    assert not Path("/etc/passwd.new").exists()
    note("path", steps + (" (around the gateway)" if around else ""), statuses)


SOURCES = (
    "file:///etc", "/etc", "../../etc", "file:///proc/self", "mlflow-artifacts:/../../../etc",
    "mlflow-artifacts:/%2e%2e/%2e%2e/etc", "mlflow-artifacts://127.0.0.1:1/etc",
    "http://127.0.0.1:1/x", "https://evil.example/model", "s3://evil/model", "gs://evil/model",
    "ftp://evil.example/x", "dbfs:/x", "runs:/../x", "models:/../x",
)  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_version_of_a_model_from_elsewhere_is_not_taken(site: Site, source: str) -> None:
    """As the pipeline, which may register models."""
    asked = {"name": "hpoe-digits", "source": source, "run_id": site.run}
    reply = site.ask("POST", f"{API}/model-versions/create", asked, writes(site))
    assert 400 <= reply.status < 500, (reply.status, reply.body)
    note("source of a model's version", source, reply.status)


@pytest.mark.parametrize("place", ["file:///etc", "/etc", "file:///", "../../etc"])
def test_an_experiment_whose_artifacts_lie_elsewhere_shows_none(site: Site, place: str) -> None:
    """As the pipeline, which may make experiments and runs."""
    asked = {"name": f"elsewhere {place}", "artifact_location": place}
    reply = site.ask("POST", f"{API}/experiments/create", asked, writes(site))
    note("experiment with artifacts at", place, reply.status)
    if reply.status != 200:
        return
    experiment = {"experiment_id": reply.json()["experiment_id"]}
    run = site.ask("POST", f"{API}/runs/create", experiment, writes(site)).json()["run"]["info"]
    for path in (
        f"/get-artifact?run_uuid={run['run_id']}&path=passwd",
        f"{API}/artifacts/list?run_id={run['run_id']}",
    ):
        found = site.ask("GET", path, headers=writes(site))
        assert found.status >= 400, (path, found.status, found.body[:300])


@pytest.mark.parametrize(
    ("path", "size"),
    [
        (f"{API}/runs/log-batch", 17),
        ("/invocations", 66),
        ("/digits/explain", 66),
        ("/graphql", 17),
    ],
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
    note("body too large", f"{path}, {size} MiB", 413)


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


def test_headers_that_are_too_large_are_refused(site: Site) -> None:
    assert site.ask("GET", "/", headers={"X": "x" * 70_000}).status == 400
    assert site.ask("GET", f"/{'x' * 70_000}").status == 414


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
        image = next(iter(site.answers))
        reply = site.ask("POST", "/invocations", {"inputs": [image]}, READS)
        assert reply.status == 200
        assert time.monotonic() - before < 10  # before the gateway has cut any of them off
        endings = Counter(ending(wire) for wire in slow)
        assert time.monotonic() - before < 60
    finally:
        for wire in slow:
            wire.close()
    assert set(endings) <= {"408", "closed"}
    note("slow headers and bodies", "200 connections", endings)


def ending(wire: socket.socket) -> str:
    """How the gateway ends a connection."""
    try:
        return wire.recv(20).decode().removeprefix("HTTP/1.1 ")[:3] or "closed"
    except ConnectionResetError:
        return "closed"


def test_the_services_listen_on_this_machine_alone(site: Site) -> None:
    services = site.services
    for service in (services.postgres, services.mlflow, services.gateway):
        process = service.service.process
        assert process is not None
        family = psutil.Process(process.pid)
        heard = {
            connection.laddr.ip
            for each in (family, *family.children(recursive=True))
            for connection in each.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert heard <= {"127.0.0.1"}


@pytest.mark.parametrize(
    "login",
    ["mlflow", "mlflow:postgres", "postgres", "postgres:postgres", f"postgres:{DATABASE_PASSWORD}"],
)
def test_postgres_lets_nobody_in_without_its_password(site: Site, login: str) -> None:
    """The superuser has none that would let it in over the network."""
    uri = f"postgresql+psycopg2://{login}@127.0.0.1:{site.services.postgres.port}/mlflow"
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"password|authentication"):
        engine.connect()
    note("Postgres, logging in as", login.replace(DATABASE_PASSWORD, "(the stack's)"), "refused")


def test_a_reader_looks_and_predicts(site: Site) -> None:
    for path in (
        "/", f"{API}/experiments/search?max_results=5", f"{API}/runs/get?run_id={site.run}",
        f"{API}/registered-models/get?name=hpoe-digits", f"{API}/artifacts/list?run_id={site.run}",
        f"{API}/users/current", "/digits/",
    ):  # fmt: skip
        assert site.ask("GET", path, headers=READS).status == 200, path
    for image, digit in site.answers.items():
        reply = site.ask("POST", "/invocations", {"inputs": [image]}, READS)
        assert reply.json()["predictions"][0]["digit"] == digit


def attempts(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests, whole and valid, by which a user who may would change something."""
    run, experiment = {"run_id": site.run}, {"experiment_id": site.experiment}
    model, reader = {"name": "hpoe-digits"}, {"username": READER}
    version = {**model, "version": "1"}
    tag = {"key": "k", "value": "v"}
    point = {"key": "k", "value": 1.0, "timestamp": 1, "step": 1}
    return [
        ("POST", "experiments/create", {"name": "mine"}),
        ("POST", "experiments/update", {**experiment, "new_name": "mine"}),
        ("POST", "experiments/set-experiment-tag", {**experiment, **tag}),
        ("POST", "experiments/delete", experiment),
        ("POST", "runs/create", experiment), ("POST", "runs/create", {"experiment_id": "0"}),
        ("POST", "runs/update", {**run, "status": "FAILED"}), ("POST", "runs/delete", run),
        ("POST", "runs/set-tag", {**run, **tag}), ("POST", "runs/log-metric", {**run, **point}),
        ("POST", "runs/log-parameter", {**run, **tag}),
        ("POST", "runs/log-batch", {**run, "metrics": [point]}),
        ("POST", "runs/delete-tag", {**run, "key": "hpoe.uid"}),
        ("POST", "runs/log-inputs", {**run, "datasets": []}),
        ("POST", "logged-models", {**experiment, "name": "mine"}),
        ("POST", "registered-models/create", {"name": "mine"}),
        ("POST", "registered-models/rename", {**model, "new_name": "mine"}),
        ("PATCH", "registered-models/update", {**model, "description": "mine"}),
        ("DELETE", "registered-models/delete", model),
        ("POST", "registered-models/set-tag", {**model, **tag}),
        ("POST", "registered-models/alias", {**version, "alias": "champion"}),
        ("DELETE", "registered-models/alias", {**model, "alias": "champion"}),
        ("POST", "model-versions/create", {**model, "source": f"runs:/{site.run}/model"}),
        ("PATCH", "model-versions/update", {**version, "description": "mine"}),
        ("POST", "model-versions/set-tag", {**version, **tag}),
        ("POST", "model-versions/transition-stage", {**version, "stage": "Production"}),
        ("DELETE", "model-versions/delete", version),
        ("POST", "users/create", {"username": "friend", "password": "friend-of-the-reader"}),
        ("PATCH", "users/update-admin", {**reader, "is_admin": True}),
        ("PATCH", "users/update-password", {"username": ADMIN, "password": "mine-from-now-on"}),
        ("DELETE", "users/delete", {"username": "pipeline"}),
    ]  # fmt: skip


def test_a_reader_changes_nothing(site: Site) -> None:
    """Valid requests to change something, and whatever route there is, with an empty one."""
    before = contents(site)
    for method, path, body in attempts(site):
        for prefix in ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"):
            reply = site.ask(method, prefix + path, body, READS)
            assert reply.status == 403, (method, path, reply.status, reply.body[:200])
        note("a reader", f"{method} {path}", reply.status)
    files = f"/api/2.0/mlflow-artifacts/artifacts/workspaces/default/{site.experiment}/{site.run}"
    for method in ("PUT", "DELETE"):
        assert site.ask(method, f"{files}/artifacts/x", b"x", READS).status == 403
    role = {"username": READER, "role_id": 1}
    assert site.ask("POST", "/api/3.0/mlflow/roles/assign", role, READS).status == 403
    statuses = Counter[int]()
    for path, method in changing(routes()):
        statuses[site.ask(method, path, {}, READS).status] += 1
    note("a reader", "every route of MLflow that may change something", statuses)
    assert contents(site) == before


def contents(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """All that the tables of MLflow's database hold."""
    query = site.services.postgres.query
    tables = query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {
        name: query(f"SELECT md5(t::text) FROM {name} t ORDER BY 1")  # noqa: S608
        for (name,) in tables
    }
