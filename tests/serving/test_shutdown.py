"""The end of a server: what was sent is answered, by one process or several."""

import http.client
import json
import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import Event

import psutil
import pytest

from tests.serving.running import JSON, Server, exchange, image, wait_until
from tests.serving.stand_in import answer

pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("SOAK_SECONDS", "3"))
CLIENTS = 32
WORKERS = ["1", "2"] if "SOAK_SECONDS" in os.environ else ["1"]


def send(connection: http.client.HTTPConnection, text: str) -> None:
    connection.request("POST", "/invocations", json.dumps({"inputs": [text]}), dict(JSON))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_was_sent_is_answered_and_nothing_new_is_accepted(
    server: Server, workers: str
) -> None:
    """A request in flight, and one over a connection that was idle."""
    server.start("--workers", workers)
    assert server.process is not None
    flying, idle = server.connect(), server.connect()
    exchange(idle, "GET", "/ping", b"", {})
    send(flying, image(1, milliseconds=3000))
    server.process.terminate()
    wait_until(lambda: refuses_connections(server))
    send(idle, image(2))
    late = idle.getresponse()
    assert json.loads(late.read())["predictions"] == [answer(image(2))]
    assert late.headers["connection"] == "close"
    assert server.process.poll() is None
    in_time = flying.getresponse()
    assert json.loads(in_time.read())["predictions"] == [answer(image(1, milliseconds=3000))]
    assert server.process.wait(timeout=30) == 0
    assert "trace" not in server.log()
    flying.close()
    idle.close()


def refuses_connections(server: Server) -> bool:
    connection = server.connect()
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False


@dataclass
class Client:
    """Asks without pause, over one connection or over one a request, until told to stop."""

    server: Server
    number: int
    seen: Counter[str] = field(default_factory=Counter)

    def ask(self, stop: Event) -> Counter[str]:
        """How often it was answered, refused a connection, answered wrongly, or not answered."""
        connection = self.server.connect()
        moments = random.Random(self.number)
        for request in count(self.number * 10**6):
            if stop.is_set():
                break
            if connection.sock is None or self.number % 2:
                connection.close()
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    self.seen["refused"] += 1
                    stop.wait(0.05)
                    continue
            self.seen[self._outcome(connection, image(request, moments.randrange(20)))] += 1
        connection.close()
        return self.seen

    def _outcome(self, connection: http.client.HTTPConnection, text: str) -> str:
        try:
            send(connection, text)
            response = connection.getresponse()
            predictions = json.loads(response.read())["predictions"]
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f"not answered: {error!r}"
        right = response.status == 200 and predictions == [answer(text)]
        return "answered" if right else "answered wrongly"


@pytest.mark.parametrize("workers", WORKERS)
def test_clients_lose_no_request_while_the_server_ends_and_starts_again(
    server: Server, workers: str
) -> None:
    """SOAK_SECONDS=60 for the long run."""
    server.start("--workers", workers)
    stop = Event()
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(Client(server, number).ask, stop) for number in range(CLIENTS)]
        try:
            while time.monotonic() < end:
                wait_until(lambda: server.metric("hpoe_digits_total") >= 10 * CLIENTS)
                assert server.end() == 0
                server.start("--workers", workers)
        finally:
            stop.set()
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)  # and Ctrl-C as quietly
    assert server.process.wait(timeout=60) == 0
    assert "trace" not in server.log()
    seen = sum((client.result() for client in clients), Counter[str]())
    assert set(seen) == {"answered", "refused"}, seen
    assert seen["answered"] > 10 * CLIENTS


def test_workers_count_together_are_replaced_and_end_with_the_server(server: Server) -> None:
    server.start("--workers", "2")
    wait_until(lambda: len(server.workers()) == 2)
    for number in range(20):
        assert server.post({"inputs": [image(number)]}).status == 200
    assert server.metric("hpoe_digits_total", version="1") == 20
    killed, kept = server.workers()
    killed.kill()
    wait_until(lambda: kept in server.workers() and len(server.workers()) == 2)
    for number in range(20):
        assert server.post({"inputs": [image(number)]}).status == 200
    assert server.metric("hpoe_digits_total", version="1") == 40
    orphans = server.workers()
    assert killed not in orphans
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    assert psutil.wait_procs(orphans, timeout=60)[1] == []
    assert "trace" not in server.log()
