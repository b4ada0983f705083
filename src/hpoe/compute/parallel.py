"""The same tasks on one core or many, through joblib, or on the machines of a Ray cluster."""

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
"""What a worker takes at most, training or scoring with the default network."""
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
STARTED_BY = "STARTED_BY_PROCESS"
"""In the environment: the id of the process that started `dvc`, with which its stages end too."""


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    ray_address: str | None = None,
) -> Iterator[Result]:
    """Results in the order in which they are ready, from `workers` processes of one thread each.

    With the address of a Ray cluster, from as many such processes as that has cores.

    Raises:
        WorkerError: memory does not hold the workers, and nothing has been started; or a worker was
            killed, most often for want of memory.
        ClusterError: the Ray cluster cannot be used.
    """
    if ray_address is not None:
        yield from run_on_cluster(function, tasks, ray_address)
        return
    check_memory(workers)
    try:
        with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
            yield from Parallel(return_as="generator_unordered")(
                delayed(_run_in_worker)(function, task, os.getpid()) for task in tasks
            )
    except TerminatedWorkerError:
        raise WorkerError(
            "a worker process was killed, most often for want of memory: set HPOE_WORKERS to fewer "
            "and run the same command again, what was finished is kept"
        ) from None


def run_in_order(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> list[Result]:
    """The results of all tasks in the order of these, which are asked for as processes are free.

    Raises:
        WorkerError: as by `run_tasks`.
    """
    numbered = ((function, number, task) for number, task in enumerate(tasks))
    found = dict(run_tasks(_numbered, numbered, workers))
    return [found[number] for number in range(len(found))]


def _numbered(job: tuple[Callable[[Task], Result], int, Task]) -> tuple[int, Result]:
    function, number, task = job
    return number, function(task)


@cache  # the workers that it let start have taken what it found free
def check_memory(workers: int) -> None:
    """See that so many workers find room, once a process; one always does.

    Raises:
        WorkerError: they do not.
    """
    free = min(psutil.virtual_memory().available, _limit())
    room = max(1, int(free // WORKER_BYTES))
    if workers > room:
        raise WorkerError(
            f"{workers} workers take some {workers * WORKER_BYTES / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free: set HPOE_WORKERS to {room} or fewer"
        )


def _limit() -> float:
    """Bytes that a container lets its processes take; infinity outside one."""
    try:
        return float(CONTAINER_LIMIT.read_text().replace("max", "inf"))
    except OSError:
        return inf


def _run_in_worker(function: Callable[[Task], Result], task: Task, parent: int) -> Result:
    """Run a task; a worker leaves Ctrl-C to its parent, and ends when that is gone."""
    if os.getpid() != parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_with_parent()
    return function(task)


_watching = threading.Event()


def end_with_parent(seconds: float = 0.2) -> None:
    """End this process soon after its parent is gone, so that a kill leaves nothing behind.

    A stage that `dvc` started, or a worker that a stage started, would otherwise go on alone.
    """
    if _watching.is_set():
        return
    _watching.set()
    starters, first = _starters(), int(os.environ.get(STARTED_BY, os.getpid()))

    def watch() -> None:
        while _starters() == starters and psutil.pid_exists(first):
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def _starters() -> list[int]:
    """The ids of the parent and, under DVC, of all up to `dvc` itself.

    Between `dvc` and its stage there is a shell, where that does not replace itself with its last
    command (bash does, dash does not). All that `dvc` starts have DVC_STAGE in their environment.
    """
    ids = []
    process: psutil.Process | None = psutil.Process()
    with suppress(psutil.Error):  # of another user, or just gone: the chain ends there
        while process is not None and (process := process.parent()) is not None:
            ids.append(process.pid)
            if "DVC_STAGE" not in process.environ():
                break
    return ids
