"""Several server processes on one socket.

uvicorn's own supervisor starts plain uvicorn servers, and holds the listening socket while they
end: what connects meanwhile would wait in it, to be reset.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from multiprocessing import Pipe, connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import uvicorn

from hpoe.errors import HpoeError, ServingError
from hpoe.serving.draining import DrainingServer, ignore_new

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable: where workers count, for all of them to add up."""


class Workers:
    """Processes that serve one application from a socket which others may share."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, count: int) -> None:
        """Start them; they accept once their application is made."""
        self._config = config
        self._listener = listener
        self.failed = False
        """Whether one ended before it accepted."""
        self._starting: list[Connection] = []
        self._processes = [self._started() for _ in range(count)]

    @property
    def gave_up(self) -> bool:
        """Whether one could not go on, and said why."""
        return any((process.exitcode or -1) > 0 for process in self._processes)

    @property
    def starting(self) -> Sequence[Connection]:
        """One for each that does not accept yet; readable when that one does, or has ended."""
        self._starting = [each for each in self._starting if not self._heard(each)]
        return self._starting

    @property
    def sentinels(self) -> Sequence[int]:
        """One for each; it becomes readable when that one ends."""
        return [process.sentinel for process in self._processes]

    def replace_killed(self) -> None:
        """Start one anew for each that is gone."""
        self._processes = [
            process if process.is_alive() else self._started() for process in self._processes
        ]

    def end(self) -> None:
        """Let them answer what has arrived, and wait until they have."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def _heard(self, starting: Connection) -> bool:
        """Whether one has said that it accepts, or has ended."""
        if not starting.poll():
            return False
        try:
            starting.recv_bytes()
        except EOFError:
            self.failed = True
        return True

    def _started(self) -> SpawnProcess:
        ready, say_ready = Pipe(duplex=False)
        arguments = (self._config, self._listener, say_ready)
        process = get_context("spawn").Process(target=_work, args=arguments)
        process.start()
        say_ready.close()  # the worker alone holds it, so that its end is heard as well
        self._starting.append(ready)
        return process


def end_request() -> Connection:
    """A connection that becomes readable on SIGTERM or Ctrl-C."""
    asked, ask = Pipe(duplex=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ask.send_bytes(b"end"))
    return asked


def keep_alive(config: uvicorn.Config, listener: socket.socket, count: int) -> None:
    """Keep a number of workers until SIGTERM or Ctrl-C; one that is killed is replaced.

    Raises:
        ServingError: a worker gave up; the others were ended.
    """
    asked = end_request()
    workers = Workers(config, listener, count)
    gave_up = False
    while asked not in connection.wait([asked, *workers.sentinels]):
        gave_up = workers.gave_up
        if gave_up:
            break
        workers.replace_killed()
    close_to_new(listener)
    workers.end()
    if gave_up:
        raise ServingError("a worker could not go on: the lines above say why")


def close_to_new(listener: socket.socket) -> None:
    """Leave the socket to the workers: the last of them takes what still waits."""
    ignore_new(listener)
    listener.close()


def _work(config: uvicorn.Config, listener: socket.socket, ready: Connection) -> None:
    """A worker's life."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    config.configure_logging()

    def say_ready() -> None:
        ready.send_bytes(b"ready")

    try:
        DrainingServer(config, shares_socket=True, say_ready=say_ready).run(sockets=[listener])
    except HpoeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _end_with_parent() -> None:
    """End at once when the parent was killed, even before this worker came to life."""
    parent = parent_process()
    assert parent is not None  # noqa: S101 - a worker has one
    parent.join()
    os._exit(1)
