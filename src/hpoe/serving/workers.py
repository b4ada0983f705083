"""Several server processes on one socket.

uvicorn's own supervisor starts plain uvicorn servers, and holds the listening socket while they
end: what connects meanwhile would wait in it, to be reset.
"""

import os
import signal
import socket
import sys
import threading
from multiprocessing import Pipe, connection, get_context, parent_process
from multiprocessing.context import SpawnProcess

import uvicorn

from hpoe.errors import HpoeError, ServingError
from hpoe.serving.draining import DrainingServer, ignore_new

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable: where workers count, for all of them to add up."""


def keep_alive(config: uvicorn.Config, listener: socket.socket, count: int) -> None:
    """Keep a number of workers until SIGTERM or Ctrl-C; one that is killed is replaced.

    Raises:
        ServingError: a worker gave up; the others were ended.
    """
    asked, ask = Pipe(duplex=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ask.send_bytes(b"end"))
    workers = [_started(config, listener) for _ in range(count)]
    gave_up = False
    while asked not in connection.wait([asked, *(worker.sentinel for worker in workers)]):
        gave_up = any((worker.exitcode or -1) > 0 for worker in workers)
        if gave_up:
            break
        workers = [
            worker if worker.is_alive() else _started(config, listener) for worker in workers
        ]
    ignore_new(listener)
    listener.close()  # now the workers alone listen, and the last takes what still waits
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
    if gave_up:
        raise ServingError("a worker could not go on: the lines above say why")


def _started(config: uvicorn.Config, listener: socket.socket) -> SpawnProcess:
    worker = get_context("spawn").Process(target=_work, args=(config, listener))
    worker.start()
    return worker


def _work(config: uvicorn.Config, listener: socket.socket) -> None:
    """A worker's life."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    config.configure_logging()
    try:
        DrainingServer(config, shares_socket=True).run(sockets=[listener])
    except HpoeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _end_with_parent() -> None:
    """End at once when the parent was killed, even before this worker came to life."""
    parent = parent_process()
    assert parent is not None  # noqa: S101 - a worker has one
    parent.join()
    os._exit(1)
