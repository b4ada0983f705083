"""Tasks on a real Ray cluster: the local bytes, whatever machine is lost, and clear refusals."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hpoe.compute.parallel import run_tasks
from hpoe.compute.progress import Board
from hpoe.errors import ClusterError, HpoeError, WeightsError, WorkerError
from hpoe.training.dispatch import train
from hpoe.training.tasks import Trained, TrainingTask
from tests.unit.nodes import two_nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),  # of what it will do without GPUs
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # its sockets to a node that is lost
]
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpoe[ray]'")
SECONDS = 60
"""Within which whatever is waited for must come; most of it is for a busy machine."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes that all tests share which lose none."""
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture
def tasks(task: TrainingTask) -> list[TrainingTask]:
    """Layer 1 of two digits of a tiny network, with many epochs."""
    recipe = replace(task.recipe, epochs=8000)
    long = replace(task, recipe=recipe, checkpoint_seconds=0.1)
    return [replace(long, label=str(at), position=at) for at in (0, 1)]


def where(task: int) -> tuple[int, str, str, list[str]]:
    """Task, node, threads, and the threads of the process that end it with its parent."""
    watching = [thread.name for thread in threading.enumerate() if "parent" in thread.name]
    node = ray.get_runtime_context().get_node_id()
    time.sleep(0.2)
    return task, node, os.environ.get("OMP_NUM_THREADS", ""), watching


def test_every_task_has_its_result_on_either_node_with_one_thread(cluster: Any) -> None:
    found = list(run_tasks(where, range(8), 2, cluster.address))
    assert sorted(task for task, *_ in found) == list(range(8))
    assert len({node for _, node, *_ in found}) == 2
    assert {threads for _, _, threads, _ in found} == {"1"}
    assert not any(watching for *_, watching in found)


def test_workers_have_the_folder_of_the_process_that_hands_out_tasks(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(run_tasks(os.path.abspath, ["."], 2, cluster.address)) == [str(tmp_path)]


def fail(task: HpoeError) -> None:
    raise task


def test_an_error_of_a_task_arrives_as_it_was(cluster: Any) -> None:
    error = WeightsError("w is damaged: delete it")
    with pytest.raises(WeightsError) as caught:
        list(run_tasks(fail, [error], 2, cluster.address))
    assert str(caught.value) == str(error)


def test_a_machine_that_lacks_the_code_is_told(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions of this file are found only where its repository is the work folder."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClusterError, match=r"No module named.*the same version of hpoe on all"):
        list(run_tasks(where, [1], 2, cluster.address))


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_task_whose_worker_is_always_lost_is_told(cluster: Any) -> None:
    with pytest.raises(WorkerError, match=r"was lost 4 times \(WorkerCrashedError\)"):
        list(run_tasks(die, [1], 2, cluster.address))


HOLD = """
import os, sys, time
from pathlib import Path
from hpoe.compute.parallel import run_tasks

def hold(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(1000)

list(run_tasks(hold, [Path(sys.argv[1])] * 2, 2, sys.argv[2]))
"""


def test_workers_end_when_the_process_that_hands_out_tasks_is_killed(
    cluster: Any, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), cluster.address]
    with subprocess.Popen(command) as driver:
        try:
            until(lambda: len(list(tmp_path.iterdir())) == 2)
        finally:
            driver.kill()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    until(lambda: not any(is_running(process) for process in workers))


def is_running(process: int) -> bool:
    import psutil

    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(true: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def elsewhere(tasks: list[TrainingTask], name: str) -> list[TrainingTask]:
    return [
        replace(task, models=task.models.with_name(f"models {name}"), store=task.store / name)
        for task in tasks
    ]


def outcome(tasks: list[TrainingTask], found: list[Trained]) -> Any:
    """The bytes of all weights, and the curves."""
    files = sorted(tasks[0].models.rglob("*.safetensors"))
    assert len(files) == len(tasks)
    curves = {trained.label: trained.curves for trained in found}
    return [path.read_bytes() for path in files], dict(sorted(curves.items()))


def test_a_machine_lost_in_mid_training_costs_no_result(tasks: list[TrainingTask]) -> None:
    """Its digit goes on from its last checkpoint on the other node, to the bytes of a local run."""
    local = elsewhere(tasks, "local")
    expected = outcome(local, [train(task) for task in local])
    with two_nodes() as cluster:
        lost = threading.Thread(target=lose_a_node, args=(cluster, tasks))
        lost.start()
        found = list(run_tasks(train, tasks, 2, cluster.address))
        lost.join()
        assert len(cluster.worker_nodes) == 1
    assert outcome(tasks, found) == expected
    assert min(trained.epochs_trained for trained in found) < tasks[0].recipe.epochs


def lose_a_node(cluster: Any, tasks: list[TrainingTask]) -> None:
    """Kill all processes of a node once both digits are being trained and have a checkpoint."""
    board = Board(tasks[0].board)
    until(lambda: all(board.epochs(task.position) > 100 for task in tasks))
    until(lambda: len(list(tasks[0].store.glob("*.safetensors"))) == len(tasks))
    cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
    assert all(board.epochs(task.position) < task.recipe.epochs for task in tasks)


def test_an_address_without_a_cluster_is_told_within_seconds() -> None:
    """One that refuses, a silent one, and a web server, for which the head's port is mistaken."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as web,
    ):
        threading.Thread(target=web.serve_forever).start()
        for port in (1, silent.getsockname()[1], web.server_port):
            start, address = time.monotonic(), f"127.0.0.1:{port}"
            with pytest.raises(ClusterError, match=f"no Ray cluster answers at {address} .*`ray s"):
                list(run_tasks(abs, [1], 2, address))
            assert time.monotonic() - start < 10
        web.shutdown()


def test_a_cluster_without_cores_is_told() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        with pytest.raises(ClusterError, match="has no core: add a machine"):
            list(run_tasks(abs, [1], 2, cluster.address))
    finally:
        cluster.shutdown()


def test_without_ray_the_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from hpoe.errors import ClusterError\n"
        "from hpoe.compute.parallel import run_tasks\n"
        "try: next(run_tasks(abs, [1], 1, '127.0.0.1:1'))\n"
        "except ClusterError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert b"Ray is not installed: `pip install 'hpoe[ray]'`" in done.stdout
