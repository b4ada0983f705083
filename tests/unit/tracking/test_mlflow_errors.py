"""What a server's failures are told as: an outage that passes, or a login to mend."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hpoe.errors import TrackingError, UnreachableError
from hpoe.registration.registry import Registry
from hpoe.tracking.mlflow_errors import ask_health
from hpoe.tracking.store import Tracker


class Handler(BaseHTTPRequestHandler):
    """Answers /health as told, and everything else so, too."""

    health, status = 200, 200

    def do_GET(self) -> None:
        self.send_response(self.health if self.path == "/health" else self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - named by the library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that answers as its handler's class says."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join(timeout=10)


@pytest.mark.parametrize("status", [500, 504])
def test_a_gateway_before_a_server_that_is_down_is_no_server(
    server: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(Handler, "health", status)
    with pytest.raises(UnreachableError, match="does not answer"):
        ask_health(server)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_without_its_database_is_an_outage(
    server: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(Handler, "status", status)
    with pytest.raises(UnreachableError, match=r"failed; its log says why$"):
        Tracker(server)
    with pytest.raises(UnreachableError, match=r"failed; its log says why$"):
        Registry(server).champion()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "refuses the login of ada: set MLFLOW"), (403, "denies this user access")],
)
def test_a_login_that_is_refused_is_no_outage(
    server: str, monkeypatch: pytest.MonkeyPatch, status: int, sentence: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "of another server")
    monkeypatch.setattr(Handler, "status", status)
    for ask in (Tracker, lambda uri: Registry(uri).versions()):
        with pytest.raises(TrackingError, match=sentence) as caught:
            ask(server)
        assert not isinstance(caught.value, UnreachableError)
