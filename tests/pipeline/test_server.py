"""A real `mlflow server`: what it misses while it is down is kept, and delivered exactly once."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import requests
from mlflow import MlflowClient

from tests.pipeline.project import SMALL, TINY, Project

pytestmark = pytest.mark.slow
LONGER = {**TINY, "units": [60, 15, 10], "minibatch_size": 5, "epochs": 150}
STAGE = "train_layer1@longer"


@dataclass
class Server:
    """A tracking server that can be killed and started again on the same store and port."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    environment: ClassVar[dict[str, str]] = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", "--workers=1"]
        command += [f"--port={self.port}", f"--backend-store-uri=sqlite:///{self.folder}/mlflow.db"]
        command += [f"--artifacts-destination={self.folder}/artifacts"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if requests.get(f"{self.uri}/health", timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        pytest.fail(f"mlflow server did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """Kill it and its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is not yet started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(tmp_path_factory.mktemp("server"), port)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def longer(project: Project, server: Server) -> Project:
    """The project set to track on the server."""
    project.change(
        train=["longer"],
        networks={"longer": LONGER},
        classifier={**SMALL["classifier"], "networks": ["longer"]},
    )
    project.environment["MLFLOW_TRACKING_URI"] = server.uri
    return project


def test_a_server_that_is_down_at_the_start_is_one_warning_and_costs_nothing(
    longer: Project,
) -> None:
    output = longer.run("dvc", "repro", "split")
    assert output.count("does not answer") == 2  # once a stage
    assert "`hpoe sync` delivers them" in output
    assert "Traceback" not in output


def test_a_server_killed_in_mid_training_gets_every_point_once_it_is_back(
    longer: Project, server: Server
) -> None:
    server.start()
    running = longer.start("dvc", "repro", STAGE)
    while "digit 1 trained" not in longer.log():
        assert running.poll() is None, longer.log()
        time.sleep(0.05)
    server.kill()
    assert running.wait(timeout=120) == 0, longer.log()
    assert "the stage continues" in longer.log()
    assert "Traceback" not in longer.log()
    server.start()
    assert "delivered" in longer.run("hpoe", "sync")
    assert longer.run("hpoe", "sync").startswith("0 runs")
    assert not list((longer.root / ".hpoe/undelivered").glob("*"))
    assert_every_point_is_there_once(server)


def test_delivering_the_same_records_again_adds_nothing(longer: Project, server: Server) -> None:
    longer.run("dvc", "repro", "--force", "--single-item", STAGE)
    assert_every_point_is_there_once(server)


def assert_every_point_is_there_once(server: Server) -> None:
    """One top-level run; a run a stage; ten digits with one point an epoch of five curves."""
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("hpoe")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    names = sorted(str(run.info.run_name) for run in runs)
    digits = [run for run in runs if "digit" in run.data.tags]
    assert names[0] == "download"
    assert names[1:11] == [f"layer 1, digit {digit}" for digit in range(10)]
    assert names[12:] == ["split", STAGE]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in digits:
        for key in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, key)]
            assert sorted(steps) == list(range(1, LONGER["epochs"] + 1)), (run.info.run_name, key)
