"""Tasks on the machines of a Ray cluster; an optional extra, `pip install 'hpoe[ray]'`.

These are Ray's own tasks, not joblib's Ray backend: that hands results out only when all are ready,
deals the tasks out beforehand, and after the loss of a node either fails or waits for ever.
"""

import logging
import os
import platform
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hpoe.errors import ClusterError, HpoeError, WorkerError

Task = TypeVar("Task")
Result = TypeVar("Result")

SECONDS = 5
"""Within which the head of a cluster must take a connection."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What a client of HTTP/2 says first, with settings of its own: none (RFC 9113, section 3.4)."""
FRAME_HEADER, SETTINGS = 9, b"\x04"
"""Bytes of a frame's header; the fourth of them, the type, of the frame that must come first."""
ATTEMPTS = 4
"""At a task whose worker or machine was lost."""


def run_on_cluster(
    function: Callable[[Task], Result], tasks: Iterable[Task], address: str
) -> Iterator[Result]:
    """Results in the order in which they are ready; one core and one thread a task.

    Workers have this process's folder as theirs, so it must be there on every machine. A task whose
    machine is lost is begun again on another. When this process ends, so do its workers.

    Raises:
        ClusterError: the cluster cannot be used, or a machine of it lacks the folder.
        WorkerError: a task's worker was lost again and again.
    """
    with _connected(address) as ray:
        remote = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_run_on_node)
        running = [remote.remote(function, task, Path.cwd()) for task in tasks]
        try:
            while running:
                (ready,), running = ray.wait(running)
                yield ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            raise _cause(error, address) from None
        except ray.exceptions.RayError as error:
            raise WorkerError(
                f"a task's worker on the Ray cluster at {address} was lost {ATTEMPTS} times "
                f"({type(error).__name__}), most often for want of memory: run the same command "
                "again, what was finished is kept"
            ) from None


def _cause(error: Any, address: str) -> Exception:  # noqa: ANN401 - Ray's own
    """What a task raised, or that a machine could not even begin it."""
    cause: Exception = error.cause
    if isinstance(cause, HpoeError):
        return cause
    reason = str(cause).splitlines()[0]
    return ClusterError(
        f"a machine of the Ray cluster at {address} could not do a task ({reason}): install the "
        "same version of hpoe on all of them"
    )


def reach(address: str) -> Any:  # noqa: ANN401 - Ray, an optional module
    """The module `ray`, if it is installed and the head of the cluster takes a connection.

    Raises:
        ClusterError: it is not, or does not within seconds.
    """
    try:
        import ray
    except ImportError:
        raise ClusterError(
            "HPOE_RAY_ADDRESS is set, but Ray is not installed: `pip install 'hpoe[ray]'`, or "
            "unset the variable to train on this machine"
        ) from None
    try:
        _greet(address)
    except OSError as error:
        raise ClusterError(
            f"HPOE_RAY_ADDRESS: no Ray cluster answers at {address} ({error.strerror or error}): "
            "start one with `ray start --head`, or unset the variable to train on this machine"
        ) from None
    return ray


def _greet(address: str) -> None:
    """Begin a conversation in HTTP/2, as the head speaks it, and hear its settings.

    Ray itself would try for minutes where nobody answers.

    Raises:
        OSError: nobody answers, or something else does.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") == "0":  # else it speaks only when greeted in TLS
            connection.sendall(PREFACE)
            if connection.recv(FRAME_HEADER)[3:4] != SETTINGS:
                raise ConnectionError("something else listens there")


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster that has cores."""
    ray = reach(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = " ".join(str(error).split())
        raise ClusterError(f"HPOE_RAY_ADDRESS: {address} cannot be joined: {reason}") from None
    try:
        if ray.cluster_resources().get("CPU", 0) < 1:
            raise ClusterError(
                f"HPOE_RAY_ADDRESS: the Ray cluster at {address} has no core: add a machine with "
                f"`ray start --address {address}`"
            )
        yield ray
    finally:
        ray.shutdown()


def _run_on_node(function: Callable[[Task], Result], task: Task, folder: Path) -> Result:
    """Run a task in the folder of the process that handed it out."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ClusterError(
            f"{platform.node()}, a machine of the Ray cluster, has no folder {folder} "
            f"({error.strerror}): put the repository where all machines share it"
        ) from None
    return function(task)
