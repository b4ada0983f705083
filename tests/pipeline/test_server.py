"""A real `mlflow server`: what it misses while it is down is kept, and delivered exactly once."""

import sys
from collections.abc import Iterator

import pytest
import requests
from mlflow import MlflowClient

from tests.pipeline.project import LONG_STAGE, LONGER, Project
from tests.processes import Service, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uri() -> str:
    """The server's address."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def server(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A tracking server that is not yet started."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", "--workers=1"]
    command += [f"--port={uri.rpartition(':')[2]}"]
    command += [f"--backend-store-uri=sqlite:///{folder}/mlflow.db"]
    command += [f"--artifacts-destination={folder}/artifacts"]
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    health = f"{uri}/health"
    server = Service(folder, command, lambda: requests.get(health, timeout=1).ok, settings)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def longer(project: Project, uri: str) -> Project:
    """The project set to track on the server."""
    project.choose_longer()
    project.environment["MLFLOW_TRACKING_URI"] = uri
    return project


def test_a_server_that_is_down_at_the_start_is_one_warning_and_costs_nothing(
    longer: Project,
) -> None:
    output = longer.run("dvc", "repro", "split")
    assert output.count("does not answer") == 2  # once per stage
    assert "`hpoe sync` delivers them" in output
    assert "Traceback" not in output


def test_a_server_killed_in_mid_training_gets_every_point_once_it_is_back(
    longer: Project, server: Service, uri: str
) -> None:
    server.start()
    running = longer.start("dvc", "repro", LONG_STAGE)
    longer.wait(running, lambda: "class 1 trained" in longer.log())
    server.kill()
    assert running.wait(timeout=120) == 0, longer.log()
    assert "the stage continues" in longer.log()
    assert "Traceback" not in longer.log()
    server.start()
    assert "delivered" in longer.run("hpoe", "sync")
    assert longer.run("hpoe", "sync").startswith("0 runs")
    assert not list((longer.root / ".hpoe/undelivered").glob("*"))
    assert_every_point_is_there_once(uri)


def test_delivering_the_same_records_again_adds_nothing(longer: Project, uri: str) -> None:
    longer.run("dvc", "repro", "--force", "--single-item", LONG_STAGE)
    assert_every_point_is_there_once(uri)


def assert_every_point_is_there_once(uri: str) -> None:
    """One top-level run, one run per stage, ten of digits with one point per epoch and curve."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("hpoe-digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    names = sorted(str(run.info.run_name) for run in runs)
    digits = [run for run in runs if "class" in run.data.tags]
    assert names[0] == "download"
    assert names[1:11] == [f"layer 1, class {digit}" for digit in range(10)]
    assert names[12:] == ["split", LONG_STAGE]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in digits:
        for key in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, key)]
            assert sorted(steps) == list(range(1, LONGER["epochs"] + 1)), (run.info.run_name, key)
