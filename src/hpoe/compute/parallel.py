"""Run independent tasks in processes of this machine (joblib) or on a Ray cluster."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from math import inf
from pathlib import Path
from typing import TypeVar

import psutil
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from hpoe.compute.cluster import run_on_cluster
from hpoe.errors import WorkerError

Task = TypeVar("Task")
Result = TypeVar("Result")

WORKER_BYTES = 400 * 2**20
"""Peak memory of a worker that trains or scores with the default network."""
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
STARTED_BY = "STARTED_BY_PROCESS"
"""Environment variable with the PID that started `dvc`: stages exit when that process does."""


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    ray_address: str | None = None,
) -> Iterator[Result]:
    """Run tasks in `workers` processes of one thread each; yield results as they become ready.

    With the address of a Ray cluster, tasks run there instead, one per core.

    Raises:
        WorkerError: memory does not suffice for the workers, and nothing has been started; or a
            worker was killed, most often for lack of memory.
        ClusterError: the Ray cluster cannot be used.
    """
    if ray_address is not None:
        return run_on_cluster(function, tasks, ray_address)
    return _run_here(function, tasks, workers, "generator_unordered")


def run_in_order(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> list[Result]:
    """Run tasks as `run_tasks` does; return their results in the order of the tasks.

    Raises:
        WorkerError: as by `run_tasks`.
    """
    return list(_run_here(function, tasks, workers, "generator"))


def _run_here(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, return_as: str
) -> Iterator[Result]:
    check_memory(workers)
    try:
        with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
            yield from Parallel(return_as=return_as)(
                delayed(_run_in_worker)(function, task, os.getpid()) for task in tasks
            )
    except TerminatedWorkerError:
        raise WorkerError(
            "a worker process was killed, most often for lack of memory: set HPOE_WORKERS to fewer "
            "and run the same command again, finished tasks are kept"
        ) from None


@cache  # once workers have started, they occupy the memory that was free
def check_memory(workers: int) -> None:
    """Check that memory suffices for this many workers (cached); one is always allowed.

    Raises:
        WorkerError: it does not.
    """
    free = min(psutil.virtual_memory().available, _limit())
    room = max(1, int(free // WORKER_BYTES))
    if workers > room:
        raise WorkerError(
            f"{workers} workers need about {workers * WORKER_BYTES / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free: set HPOE_WORKERS to {room} or fewer"
        )


def _limit() -> float:
    """The memory limit of the container in bytes; infinity outside one."""
    try:
        return float(CONTAINER_LIMIT.read_text().replace("max", "inf"))
    except OSError:
        return inf


def _run_in_worker(function: Callable[[Task], Result], task: Task, parent: int) -> Result:
    """Run a task; a worker leaves Ctrl-C to its parent, and exits when its parent does."""
    if os.getpid() != parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_with_parent()
    return function(task)


_watching = threading.Event()


def end_with_parent(seconds: float = 0.2) -> None:
    """Exit soon after the parent process does, so that a kill leaves nothing behind.

    A stage that `dvc` started, or a worker that a stage started, would otherwise continue alone.
    """
    if _watching.is_set():
        return
    _watching.set()
    ancestors, first = _ancestors(), int(os.environ.get(STARTED_BY, os.getpid()))

    def watch() -> None:
        while _ancestors() == ancestors and psutil.pid_exists(first):
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def _ancestors() -> list[int]:
    """The PIDs of the parent and, under DVC, of all ancestors up to `dvc` itself.

    There may be a shell between `dvc` and its stage: bash replaces itself with its last command,
    dash does not. All processes that `dvc` starts have DVC_STAGE in their environment.
    """
    ids = []
    process: psutil.Process | None = psutil.Process()
    with suppress(psutil.Error):  # of another user, or just ended: the chain stops there
        while process is not None and (process := process.parent()) is not None:
            ids.append(process.pid)
            if "DVC_STAGE" not in process.environ():
                break
    return ids
