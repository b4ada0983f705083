"""A real `hpoe serve` process, and plain HTTP to it."""

import base64
import http.client
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import psutil

from tests.processes import Launched, at_work, free_port
from tests.serving.stand_in import answer

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


@dataclass
class Server(Launched):
    """A server that can be ended and started again at the same address."""

    registry: str
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def start(self, *options: str, status: int = 200) -> "Server":
        """Start it, and wait until its health check has a status."""
        self.port = self.port or free_port()
        addresses = {"MLFLOW_TRACKING_URI": self.registry, "HPOE_SERVE_PORT": str(self.port)}
        command = [str(Path(sys.executable).with_name("hpoe")), "serve", *options]
        ready = lambda: self.get("/ping").status == status  # noqa: E731
        self.launch(command, {**self.environment, **addresses}, ready)
        return self

    def requests_logged(self) -> list[dict[str, Any]]:
        """The lines of the access log."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == "request"]

    def workers(self) -> list[psutil.Process]:
        """The processes that have loaded the model."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if _has_loaded_a_model(child)]

    def connect(self) -> http.client.HTTPConnection:
        """A connection of one's own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str) -> Reply:
        """GET, over a connection of its own."""
        return self.send("GET", path)

    def post(
        self, content: object, path: str = "/invocations", headers: Mapping[str, str] = JSON
    ) -> Reply:
        """POST bytes as they are, or anything else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.send("POST", path, body, headers)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request over a connection of its own."""
        connection = self.connect()
        try:
            return exchange(connection, method, path, body, headers or {})
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        from prometheus_client.parser import text_string_to_metric_families

        text = self.get("/metrics").body.decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def _has_loaded_a_model(process: psutil.Process) -> bool:
    try:
        return "hpoe.registration.worker" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has ended since it was listed, or is a zombie
        return False


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
) -> Reply:
    """Send a request over a connection, and read the response."""
    connection.request(method, path, body or None, dict(headers))
    response = connection.getresponse()
    return Reply(response.status, dict(response.getheaders()), response.read())


def image(number: int, milliseconds: int = 0) -> str:
    """A text that the stand-in takes for an image; no two numbers share one."""
    content = b"\x89PNG" + number.to_bytes(8, "big") + milliseconds.to_bytes(2, "big")
    return base64.b64encode(content).decode()


@dataclass
class Client:
    """Asks one question after another, and counts how each ended."""

    port: int
    questions: Iterable[str]
    is_right: Callable[[str, Any], bool]
    """Whether the answer to a question is the right one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    keeps_connection: bool = True
    seen: Counter[str] = field(default_factory=Counter)
    """By ending: "answered", "answered wrongly", a status, or what broke the connection.

    A refusal that says when to come again is "come again", then the status.
    """

    def ask(self, stop: Event) -> None:
        """Ask until told to stop."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for text in self.questions:
            if stop.is_set():
                break
            if not self.keeps_connection:
                connection.close()
            ending = self._ask(connection, text)
            self.seen[ending] += 1
            if ending.startswith("come again"):
                stop.wait(0.2)  # less than it was told, to ask in mid-outage
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, text: str) -> str:
        body = json.dumps({"inputs": [text]}).encode()
        try:
            reply = exchange(connection, "POST", "/invocations", body, {**JSON, **self.headers})
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f"not answered: {error!r}"
        if reply.status == 200:
            (found,) = reply.json()["predictions"]
            return "answered" if self.is_right(text, found) else "answered wrongly"
        again = reply.headers.get("Retry-After", "").isdecimal()
        return f"{'come again' if again else 'status'}: {reply.status}"


@contextmanager
def asking(server: Server, clients: int) -> Iterator[Counter[str]]:
    """Clients that ask while the block runs; how their requests ended, once it has."""

    def questions(number: int) -> Iterator[str]:
        moments = random.Random(number)
        return (image(n, moments.randrange(20)) for n in count(number * 10**6))

    each = [
        Client(
            server.port,
            questions(number),
            lambda text, found: bool(found == answer(text)),
            keeps_connection=number % 2 == 0,
        )
        for number in range(clients)
    ]
    seen = Counter[str]()
    with at_work(*(client.ask for client in each)):
        yield seen
    for client in each:
        seen.update(client.seen)
