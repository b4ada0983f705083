"""Tasks on the machines of a Ray cluster; an optional extra, `pip install 'hpoe[ray]'`.

These are Ray's own tasks, not joblib's Ray backend, which returns results only when all are ready,
assigns all tasks at the start, and fails or hangs after the loss of a node.
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
"""Timeout for the head of a cluster to answer; Ray itself would try for two minutes."""
ATTEMPTS = 4
"""Attempts at a task whose worker or machine is lost."""


def run_on_cluster(
    function: Callable[[Task], Result], tasks: Iterable[Task], address: str
) -> Iterator[Result]:
    """Run tasks with one core and one thread each; yield results as they become ready.

    Workers run in this process's folder, so it must exist on every machine. A task whose machine is
    lost starts again on another. The workers end with this process.

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
                f"({type(error).__name__}), most often for lack of memory: run the same command "
                "again, finished tasks are kept"
            ) from None


def _cause(error: Any, address: str) -> Exception:  # noqa: ANN401 - Ray's own
    """The error that a task raised, or one that says that a machine could not start it."""
    cause: Exception = error.cause
    if isinstance(cause, HpoeError):
        return cause
    reason = str(cause).splitlines()[0]
    return ClusterError(
        f"a machine of the Ray cluster at {address} could not run a task ({reason}): install the "
        "same version of hpoe on all of them"
    )


def import_ray(address: str) -> Any:  # noqa: ANN401 - Ray, an optional module
    """Import Ray, once the head of the cluster has answered.

    Raises:
        ClusterError: Ray is not installed, or the head does not answer within seconds.
    """
    try:
        import ray
    except ImportError:
        raise ClusterError(
            "HPOE_RAY_ADDRESS is set, but Ray is not installed: `pip install 'hpoe[ray]'`, or "
            "unset the variable to train on this machine"
        ) from None
    try:
        _hear(address)
    except OSError as error:
        raise ClusterError(
            f"HPOE_RAY_ADDRESS: no Ray cluster answers at {address} ({error.strerror or error}): "
            "start one with `ray start --head`, or unset the variable to train on this machine"
        ) from None
    return ray


def _hear(address: str) -> None:
    """Connect and wait for the head's greeting; unlike a web server, it speaks first.

    Raises:
        OSError: nobody answers, or something else does.
    """
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        encrypted = os.environ.get("RAY_USE_TLS", "0") != "0"  # then the client speaks first
        if not encrypted and not connection.recv(1):
            raise ConnectionError("something else listens there")


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster that has cores."""
    ray = import_ray(address)
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
    """Run a task in the folder of the process that submitted it."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ClusterError(
            f"{platform.node()}, a machine of the Ray cluster, has no folder {folder} "
            f"({error.strerror}): put the repository on storage that all machines share"
        ) from None
    return function(task)
