"""`hpoe serve --follow`: it waits for a champion, and goes over to the next; no request is lost."""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

import pytest
from mlflow import MlflowClient

from hpoe.serving.following import _watch
from hpoe.settings import Settings
from tests.serving.conftest import register
from tests.serving.running import Server, free_port, image, wait_until
from tests.serving.stand_in import answer
from tests.serving.test_shutdown import Client

pytestmark = pytest.mark.slow
CLIENTS = 8
CANNOT_LOAD = """
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

class CannotLoad(PythonModel):
    def load_context(self, context):
        raise RuntimeError("some of it is missing")

    def predict(self, context, model_input):
        return []

set_model(CannotLoad())
"""


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


def promote(uri: str, version: int) -> None:
    """Move the alias as `hpoe promote` does."""
    MlflowClient(uri, uri).set_registered_model_alias("hpoe-digits", "champion", str(version))


def start_and_serve(server: Server) -> None:
    """Start with a champion; what answers until that is loaded is then gone."""
    server.start("--follow")
    wait_until(lambda: "is served at" in server.log())


def answered_by(server: Server, version: int) -> bool:
    """Whether a version answered a request that was sent now."""
    before = server.metric("hpoe_digits_total", version=str(version))
    assert server.post({"inputs": [image(1)]}).status == 200
    return server.metric("hpoe_digits_total", version=str(version)) > before


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_waits_for_the_first_champion_and_says_so(tmp_path: Path, workers: str) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    server = Server(tmp_path, uri)
    try:
        server.start("--follow", "--workers", workers, status=503)
        wait_until(lambda: b"no model hpoe-digits" in server.get("/ping").body)
        refused = server.post({"inputs": [image(1)]})
        assert refused.status == 503
        assert refused.json()["error_code"] == "SERVICE_UNAVAILABLE"
        assert "no model hpoe-digits with the alias champion" in refused.json()["message"]
        assert int(refused.headers["retry-after"]) > 0
        register(tmp_path)
        wait_until(lambda: "version 1 is served at" in server.log())
        assert server.post({"inputs": [image(1)]}).json()["predictions"] == [answer(image(1))]
        assert len(server.workers()) == int(workers)
        assert server.end() == 0
        assert "trace" not in server.log().lower()
    finally:
        server.kill()


def test_it_waits_for_a_registry_that_does_not_answer_and_ends_when_it_is_told(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, f"http://127.0.0.1:{free_port()}")
    try:
        server.start("--follow", status=503)
        wait_until(lambda: b"does not answer" in server.get("/ping").body)
        assert server.end() == 0
        assert "trace" not in server.log().lower()
    finally:
        server.kill()


def test_clients_lose_no_request_while_champions_follow_one_another(
    tmp_path: Path, uri: str
) -> None:
    """From version 2 to 1 and back: every request is answered, none is refused."""
    server = Server(tmp_path, uri)
    stop = Event()
    try:
        start_and_serve(server)
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(Client(server, number).ask, stop) for number in range(CLIENTS)]
            try:
                for version in (1, 2):
                    promote(uri, version)
                    wait_until(partial(answered_by, server, version))
                    wait_until(lambda: len(server.workers()) == 1)
            finally:
                stop.set()
        assert server.end() == 0
        seen = sum((client.result() for client in clients), Counter[str]())
        assert set(seen) == {"answered"}, seen
        assert seen["answered"] > 10 * CLIENTS
    finally:
        server.kill()


def test_a_champion_that_cannot_be_loaded_leaves_the_last_one_serving(
    tmp_path: Path, uri: str
) -> None:
    server = Server(tmp_path, uri)
    try:
        start_and_serve(server)
        (tmp_path / "cannot_load.py").write_text(CANNOT_LOAD)
        register(tmp_path, tmp_path / "cannot_load.py")
        wait_until(lambda: "some of it is missing" in server.log())
        assert answered_by(server, 2)
        promote(uri, 1)
        wait_until(lambda: answered_by(server, 1))
        assert server.end() == 0
        assert "Traceback" not in server.log()
    finally:
        server.kill()


@contextmanager
def watch(uri: str, folder: Path) -> Iterator[Connection]:
    """What the watch of a registry tells, until it is ended with nobody listening."""
    news, tell = Pipe(duplex=False)
    ended = Event()
    settings = Settings(MLFLOW_TRACKING_URI=uri)
    thread = Thread(target=_watch, args=(settings, folder, tell, ended))
    thread.start()
    try:
        yield news
    finally:
        news.close()
        ended.set()
        thread.join()


def test_the_copy_of_a_champion_that_was_champion_before_has_a_folder_of_its_own(
    tmp_path: Path, uri: str
) -> None:
    """The earlier copy is removed when the one that followed it is served: at any moment."""
    copies = tmp_path / "copies"
    copies.mkdir()
    with watch(uri, copies) as news:
        first = news.recv()
        promote(uri, 1)
        second = news.recv()
        promote(uri, 2)
        third = news.recv()
    assert [each.version for each in (first, second, third)] == ["2", "1", "2"]
    assert len({each.folder for each in (first, second, third)}) == 3
    shutil.rmtree(first.folder)
    assert (third.folder / "MLmodel").exists()


def test_a_copy_that_fails_is_told_of_and_leaves_nothing_behind(
    tmp_path: Path, uri: str, two_versions: Path
) -> None:
    """It is tried every two seconds: what each left would soon fill the disk."""
    broken = [path.with_name("broken") for path in two_versions.parent.rglob("MLmodel")]
    for each in broken:
        each.symlink_to("nothing")
    copies = tmp_path / "copies"
    copies.mkdir()
    try:
        with watch(uri, copies) as news:
            assert "hpoe-digits cannot be fetched" in news.recv()
        assert list(copies.iterdir()) == []
    finally:
        for each in broken:
            each.unlink()


def test_a_watch_ends_in_the_midst_of_a_copy(tmp_path: Path, uri: str) -> None:
    """Whose folder is removed meanwhile, and of which nobody wants to hear."""
    copies = tmp_path / "copies"
    copies.mkdir()
    with watch(uri, copies):
        wait_until(lambda: any(copies.rglob("*")))
        shutil.rmtree(copies, ignore_errors=True)
