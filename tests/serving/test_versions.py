"""Promotions, killed workers and the end of a server: requests are answered, and rightly."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from tests.processes import free_port, wait_until
from tests.serving.conftest import broken, register
from tests.serving.running import JSON, Server, asking, exchange, image
from tests.serving.stand_in import DEADLY, answer

pytestmark = pytest.mark.slow
CLIENTS = 8
SECONDS = float(os.environ.get("SOAK_SECONDS", "3"))


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking store with two versions, the second of which is the champion."""
    folder = tmp_path_factory.mktemp("two")
    register(folder)
    register(folder)
    return folder / "mlflow.db"


@pytest.fixture
def uri(tmp_path: Path, two_versions: Path) -> str:
    """A store of one's own with the two versions; their files are those of the first."""
    shutil.copy(two_versions, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def following(server: Server, uri: str) -> Server:
    """A server that follows the champions of the store, and serves version 2."""
    server.registry = uri
    return server.start("--follow", "--workers", "2")


def promote(uri: str, version: int) -> None:
    """Move the alias as `hpoe promote` does."""
    MlflowClient(uri, uri).set_registered_model_alias("hpoe-digits", "champion", str(version))


def answered_by(server: Server, version: int) -> bool:
    """Whether a version answered a request that was sent now."""
    before = server.metric("hpoe_answers_total", version=str(version))
    assert server.post({"inputs": [image(1)]}).status == 200
    return server.metric("hpoe_answers_total", version=str(version)) > before


def test_it_waits_for_the_first_champion_and_says_so(tmp_path: Path, server: Server) -> None:
    """First for a registry that answers, and ends when it is told; then for one with a model."""
    server.registry = f"http://127.0.0.1:{free_port()}"
    server.start("--follow", status=503)
    wait_until(lambda: b"does not answer" in server.get("/ping").body)
    assert server.end() == 0
    server.registry = f"sqlite:///{tmp_path}/mlflow.db"
    server.start("--follow", "--workers", "1", status=503)
    wait_until(lambda: b"no model hpoe-digits" in server.get("/ping").body)
    refused = server.post({"inputs": [image(1)]})
    assert refused.status == 503
    assert refused.json()["error_code"] == "SERVICE_UNAVAILABLE"
    assert "no model hpoe-digits with the alias champion" in refused.json()["message"]
    assert int(refused.headers["retry-after"]) > 0
    register(tmp_path)
    wait_until(lambda: "version 1 is served at" in server.log())
    assert server.post({"inputs": [image(1)]}).json()["predictions"] == [answer(image(1))]
    assert server.end() == 0
    assert "trace" not in server.log().lower()


def test_clients_lose_no_request_while_champions_follow_one_another(
    following: Server, uri: str
) -> None:
    """From version 2 to 1 and back: every request is answered, none is refused."""
    with asking(following, CLIENTS) as seen:
        for version in (1, 2):
            promote(uri, version)
            wait_until(partial(answered_by, following, version))
            wait_until(lambda: len(following.workers()) == 2)
    assert set(seen) == {"answered"}, seen
    assert seen["answered"] > CLIENTS
    assert following.end() == 0


def test_a_champion_that_cannot_be_loaded_leaves_the_last_one_serving(
    tmp_path: Path, following: Server, uri: str
) -> None:
    register(tmp_path, broken(tmp_path))
    wait_until(lambda: "some of it is missing" in following.log())
    time.sleep(5)  # in which the registry is asked twice
    assert answered_by(following, 2)
    promote(uri, 1)
    wait_until(lambda: answered_by(following, 1))
    assert following.end() == 0
    assert following.log().count("some of it is missing") == 1
    assert "version 2 is served as before" in following.log()
    assert "Traceback" not in following.log()


def test_copies_of_versions_are_removed_also_when_copying_fails(
    tmp_path: Path, server: Server, uri: str, two_versions: Path
) -> None:
    """A copy that fails is tried every two seconds: what each left would soon fill the disk."""
    copies = tmp_path / "copies"
    copies.mkdir()
    server.registry, server.environment = uri, {"TMPDIR": str(copies)}
    links = [path.with_name("broken") for path in two_versions.parent.rglob("MLmodel")]
    for each in links:
        each.symlink_to("nothing")
    try:
        server.start("--follow", status=503)
        wait_until(lambda: b"cannot be fetched" in server.get("/ping").body)
        wait_until(lambda: not list(copies.iterdir()))
    finally:
        for each in links:
            each.unlink()
    wait_until(lambda: "version 2 is served" in server.log())
    promote(uri, 1)
    wait_until(lambda: "version 1 is served" in server.log())
    wait_until(lambda: len(list(copies.iterdir())) == 1)
    assert server.end() == 0
    assert not list(copies.iterdir())


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Server]:
    """A running server of one version, with two workers."""
    server = Server(tmp_path_factory.mktemp("steady"), registry)
    yield server.start("--workers", "2")
    server.kill()


def test_killed_workers_are_replaced_and_their_requests_answered(steady: Server) -> None:
    """SOAK_SECONDS=60 for the long run."""
    end = time.monotonic() + SECONDS
    with asking(steady, CLIENTS) as seen:
        while time.monotonic() < end:
            killed = steady.workers()[0]
            killed.kill()
            wait_until(lambda: killed not in steady.workers() and len(steady.workers()) == 2)  # noqa: B023
            assert steady.post({"inputs": [image(1)]}).status == 200
    assert set(seen) == {"answered"}, seen
    assert seen["answered"] > CLIENTS
    assert "trace" not in steady.log().lower()


def test_a_request_that_kills_two_workers_is_refused_and_others_are_answered(
    steady: Server,
) -> None:
    with asking(steady, CLIENTS) as seen:
        refused = steady.post({"inputs": [image(1, milliseconds=DEADLY)]})
    assert (refused.status, refused.json()["error_code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert set(seen) == {"answered"}, seen
    assert "were killed while answering the same request" in steady.log()


def test_workers_end_when_the_server_is_killed_even_while_they_answer(steady: Server) -> None:
    assert steady.process is not None
    wait_until(lambda: len(steady.workers()) == 2)
    connection, workers = steady.connect(), steady.workers()
    body = json.dumps({"inputs": [image(1, milliseconds=2000)]})
    connection.request("POST", "/invocations", body, dict(JSON))
    time.sleep(0.5)
    steady.process.kill()
    steady.process.wait()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_its_end_a_server_answers_what_it_has_begun_to_read(
    server: Server, number: signal.Signals
) -> None:
    server.start("--workers", "1")
    assert server.process is not None
    workers = server.workers()
    queued, reading, idle = server.connect(), server.connect(), server.connect()
    exchange(idle, "GET", "/ping", b"", {})
    texts = [image(number, milliseconds=1500) for number in range(2)]
    bodies = [json.dumps({"inputs": [text]}).encode() for text in texts]
    queued.request("POST", "/invocations", bodies[0], dict(JSON))
    reading.putrequest("POST", "/invocations")
    reading.putheader("Content-Type", "application/json")
    reading.putheader("Content-Length", str(len(bodies[1])))
    reading.endheaders(bodies[1][:10])
    time.sleep(0.5)
    server.process.send_signal(number)
    wait_until(lambda: refuses_connections(server))
    reading.send(bodies[1][10:])
    for connection, text in zip((queued, reading), texts, strict=True):
        reply = connection.getresponse()
        assert json.loads(reply.read())["predictions"] == [answer(text)]
        connection.close()
    idle.close()
    assert server.process.wait(timeout=30) == 0
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert "trace" not in server.log().lower()


def refuses_connections(server: Server) -> bool:
    connection = server.connect()
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False
