"""Tasks on one core or many: the same results, errors as they were, and nothing left behind."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpoe.compute import parallel
from hpoe.compute.parallel import STARTED_BY, check_memory, run_in_order, run_tasks
from hpoe.errors import HpoeError, WeightsError, WorkerError

SECONDS = 30
"""Within which an orphan must have ended; most of it is for a busy machine."""

one_or_two = pytest.mark.parametrize("workers", [1, 2])


def square(task: int) -> int:
    return task * task


def surroundings(task: int) -> tuple[int, int, str, bool, list[str]]:
    """Task, process, threads, whether Ctrl-C is ignored, and what watches the parent."""
    ignores = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    watching = [thread.name for thread in threading.enumerate() if "parent" in thread.name]
    return task, os.getpid(), os.environ.get("OMP_NUM_THREADS", ""), ignores, watching


def fail(task: HpoeError | None) -> int:
    if task is not None:
        raise task
    return 0


def die(task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


@one_or_two
@pytest.mark.parametrize("count", [0, 7])
def test_every_task_has_its_result_once(workers: int, count: int) -> None:
    found = list(run_tasks(square, range(count), workers))
    assert sorted(found) == [task * task for task in range(count)]


def test_one_worker_is_this_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    found = list(run_tasks(surroundings, range(3), 1))
    assert [(task, process) for task, process, *_ in found] == [(t, os.getpid()) for t in range(3)]
    assert signal.getsignal(signal.SIGINT) == before
    assert "end-with-parent" not in [thread.name for thread in threading.enumerate()]


def test_two_workers_have_a_thread_each_leave_ctrl_c_to_their_parent_and_watch_it() -> None:
    found = list(run_tasks(surroundings, range(6), 2))
    processes = {process for _, process, *_ in found}
    assert os.getpid() not in processes
    assert len(processes) <= 2
    for _, _, threads, ignores, watching in found:
        assert threads == "1"
        assert ignores
        assert watching == ["end-with-parent"]


@one_or_two
def test_results_come_while_others_are_still_worked_on(workers: int, tmp_path: Path) -> None:
    """The second task waits for a file that is made once the first result is here."""
    signal_file = tmp_path / "first is here"
    results = run_tasks(wait_for, [None, signal_file], workers)
    assert next(results) is None
    signal_file.touch()
    assert list(results) == [signal_file]


def wait_for(path: Path | None) -> Path | None:
    deadline = time.monotonic() + SECONDS
    while path is not None and not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return path


@one_or_two
def test_an_error_of_a_task_arrives_as_it_was(workers: int) -> None:
    error = WeightsError("w is damaged: delete it")
    with pytest.raises(WeightsError) as caught:
        list(run_tasks(fail, [None, error, None], workers))
    assert str(caught.value) == str(error)


def late(task: int) -> int:
    """Slower for the earlier tasks, so that they are ready in another order."""
    time.sleep(0.2 / (1 + task))
    return -task


@one_or_two
def test_results_can_be_had_in_the_order_of_the_tasks(workers: int) -> None:
    assert run_in_order(late, iter(range(7)), workers) == [-task for task in range(7)]
    assert run_in_order(late, [], workers) == []


def test_one_worker_draws_tasks_one_by_one() -> None:
    """What is made for a task is used up before more is made."""
    made: list[int] = []

    def making() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    assert run_in_order(lambda _: len(made), making(), 1) == [1, 2, 3]


def test_a_killed_worker_is_told_with_what_to_do_and_the_next_tasks_run() -> None:
    with pytest.raises(WorkerError, match=r"a worker process was killed.*HPOE_WORKERS to fewer"):
        list(run_tasks(die, range(4), 2))
    assert sorted(run_tasks(square, range(3), 2)) == [0, 1, 4]


def hoard(task: int) -> int:
    """Keep 150 MB for good; joblib looks at a worker's memory once a second."""
    vars(sys).setdefault("hoarded", []).append(b"x" * 150_000_000)
    time.sleep(1)
    return task


def test_a_worker_that_grew_is_replaced_and_no_task_is_lost() -> None:
    """Where warnings are errors, joblib's warning of it would end the thread that hands on tasks.

    Everything would then wait for ever: pyproject.toml lists it under `filterwarnings`.
    """
    assert sorted(run_tasks(hoard, range(12), 2)) == list(range(12))


def test_more_workers_than_memory_holds_are_told_before_anything_is_started() -> None:
    before = len(psutil.Process().children())
    with pytest.raises(WorkerError) as caught:
        list(run_tasks(square, range(3), 1_000_000))
    assert re.fullmatch(
        r"1000000 workers need about 390625\.0 GiB of memory, and [\d.]+ GiB are free: "
        r"set HPOE_WORKERS to \d+ or fewer",
        str(caught.value),
    )
    assert len(psutil.Process().children()) == before


@pytest.mark.parametrize("limit", ["max\n", None])
def test_what_a_container_may_take_counts(
    limit: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1.2 GiB 400 MiB are two workers' room; without a limit the machine's memory counts."""
    monkeypatch.setattr(parallel, "CONTAINER_LIMIT", tmp_path / "memory.max")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    check_memory.cache_clear()
    check_memory(2)
    check_memory.cache_clear()
    (tmp_path / "memory.max").write_text(f"{1199 * 2**20}\n")
    check_memory(2)
    with pytest.raises(
        WorkerError, match=r"4 workers need about 1\.6 GiB .* 1\.2 GiB are free.* 2 or"
    ):
        check_memory(4)
    check_memory.cache_clear()


# Orphans: real processes that hold the writing end of a named pipe, which the kernel closes with
# the last of them.


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A named pipe, open for reading here."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def read(reader: int) -> bytes:
    """What comes next; nothing once every writer has ended."""
    ready, _, _ = select.select([reader], [], [], SECONDS)
    assert ready, f"nothing came and nobody ended in {SECONDS} seconds"
    return os.read(reader, 1000)


START_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
sys.stdin.read()
"""
START_IN_SHELL = """
import os, subprocess, sys
command = ["sh", "-c", '"$0" -c "$1" "$2"; true', sys.executable, sys.argv[2], sys.argv[1]]
child = subprocess.Popen(command, env={**os.environ, "DVC_STAGE": "train_layer1"})
sys.stdin.read()
"""
CHILD = """
import os, sys, time
from hpoe.compute.parallel import end_with_parent
end_with_parent(seconds=0.01)
pipe = open(sys.argv[1], "w")
print(os.getpid(), file=pipe, flush=True)
time.sleep(1000)
"""
START_WORKERS = """
import sys, time
from hpoe.compute.parallel import run_tasks

def hold(path):
    pipe = open(path, "w")
    print("ready", file=pipe, flush=True)
    time.sleep(1000)

list(run_tasks(hold, [sys.argv[1]] * 2, 2))
"""


def start(
    code: str, *arguments: object, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )


@pytest.mark.parametrize("code", [START_CHILD, START_IN_SHELL])
def test_a_process_ends_when_its_parent_is_killed(pipe: tuple[Path, int], code: str) -> None:
    """Also a stage when `dvc` is killed and the shell between them lives: it has more to do after
    the stage, and so cannot replace itself with it."""
    path, reader = pipe
    child = CHILD
    with start(code, path, child) as parent:
        assert int(read(reader))
        parent.kill()
        parent.wait()
        assert read(reader) == b""


def test_a_stage_ends_when_what_started_dvc_is_killed_or_was_before(
    pipe: tuple[Path, int],
) -> None:
    """Between the two is `dvc`, which lives on."""
    path, reader = pipe
    child = CHILD
    with start("input()") as first:
        environment = {**os.environ, STARTED_BY: str(first.pid)}
        with start(START_CHILD, path, child, environment=environment) as dvc:
            assert int(read(reader))
            first.kill()
            first.wait()
            assert read(reader) == b""
            assert dvc.poll() is None
            dvc.kill()
    after = [sys.executable, "-c", CHILD, str(path)]
    assert subprocess.run(after, env=environment, timeout=SECONDS).returncode == 1


def test_workers_end_when_the_process_that_started_them_is_killed(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    with start(START_WORKERS, path) as parent:
        ready = b""
        while ready != b"ready\nready\n":
            ready += read(reader)
        parent.kill()
        parent.wait()
        assert read(reader) == b""


def test_a_process_that_watches_goes_on_while_its_parent_lives() -> None:
    """Asked twice, it watches once; its own end is not held up."""
    code = (
        "import json, threading, time; from hpoe.compute.parallel import end_with_parent\n"
        "for _ in range(2): end_with_parent(seconds=0.01)\n"
        "time.sleep(0.2)\n"
        "print(json.dumps([thread.name for thread in threading.enumerate()]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout) == ["MainThread", "end-with-parent"]
