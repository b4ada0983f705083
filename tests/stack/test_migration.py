"""`hpoe push-runs`: what is in the embedded store arrives on the stack's server, once."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from hpoe.tracking.store import UID
from hpoe_recognition.images import base64_png
from tests.pipeline.project import SMALL, Project
from tests.stack.champions import register_small_model
from tests.stack.services import Services, running
from tests.unit.recognition.systems import images

pytestmark = pytest.mark.slow
ROWS = "SELECT (SELECT count(*) FROM metrics), (SELECT count(*) FROM model_versions)"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Of its own: the server has no model yet, whatever was tested before."""
    with running(tmp_path_factory.mktemp("services")) as services:
        yield services


@pytest.fixture(scope="module")
def embedded(project: Project) -> Project:
    """A project whose embedded store has runs of all kinds and two versions of a model."""
    project.change(
        seed=7, train=["other"], classifier={**SMALL["classifier"], "networks": ["other"]}
    )
    project.environment["MLFLOW_TRACKING_URI"] = ""
    project.repro("train_layer1@other")
    for _ in range(2):
        register_small_model(store(project), {}, project.root)
    return project


def store(project: Project) -> str:
    return f"sqlite:///{project.root}/mlruns/mlflow.db"


def push(project: Project, services: Services) -> str:
    login: dict[str, Any] = services.mlflow.login("pipeline")
    return project.run("hpoe", "push-runs", MLFLOW_TRACKING_URI=services.gateway.uri, **login)


def test_runs_points_versions_aliases_and_predictions_arrive_once(
    embedded: Project, services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in services.mlflow.login("pipeline").items():
        monkeypatch.setenv(name, value)
    output = push(embedded, services)
    here, there = contents(store(embedded)), contents(services.mlflow.uri)
    assert f"{len(here)} of {len(here)} runs pushed" in output
    assert {uid: there[uid] for uid in here} == here
    rows = services.postgres.query(ROWS)
    assert rows[0][1] == 2
    output = push(embedded, services)
    assert output == f"0 of {len(here)} runs pushed; the others were already there\n"
    assert services.postgres.query(ROWS) == rows
    assert_the_same_model(embedded, services, tmp_path)


def registry(uri: str) -> MlflowClient:
    """A client of this registry, whichever an earlier test has left in the environment."""
    return MlflowClient(uri, registry_uri=uri)


def contents(uri: str) -> dict[str, dict[str, Any]]:
    """Of each run, by its uid: all that does not depend on the store."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("hpoe-digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    uids = {run.info.run_id: run.data.tags.get(UID, run.info.run_id) for run in runs}
    return {uids[run.info.run_id]: content(client, run, uids) for run in runs}


def content(client: MlflowClient, run: Any, uids: dict[str, str]) -> dict[str, Any]:
    keys = ("run_name", "status", "start_time", "end_time")
    points = {
        (key, point.step, point.timestamp, point.value)
        for key in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, key)
    }
    ignored = (UID, "mlflow.log-model.history")
    return {
        **{key: getattr(run.info, key) for key in keys},
        "params": run.data.params,
        "tags": {k: uids.get(v, v) for k, v in run.data.tags.items() if k not in ignored},
        "points": points,
        "datasets": sorted(each.dataset.digest for each in run.inputs.dataset_inputs),
        "artifacts": sorted(
            (each.path, each.file_size) for each in client.list_artifacts(run.info.run_id)
        ),
    }


def assert_the_same_model(embedded: Project, services: Services, folder: Path) -> None:
    """Aliases, the order of champions, and what the champion answers."""
    here, there = (
        registry(uri).get_registered_model("hpoe-digits")
        for uri in (store(embedded), services.mlflow.uri)
    )
    numbers = [
        {name: int(number) for name, number in side.aliases.items()} for side in (here, there)
    ]
    assert numbers[0] == numbers[1]
    assert json.loads(there.tags["champions"]) == json.loads(here.tags["champions"])
    image = folder / "image.png"
    image.write_bytes(base64.b64decode(base64_png(images(1, seed=3)[0])))
    login: dict[str, Any] = services.mlflow.login("pipeline")
    predict = ("hpoe", "predict", "--json", str(image))
    answers = embedded.run(*predict, MLFLOW_TRACKING_URI=services.gateway.uri, **login)
    assert answers == embedded.run(*predict, MLFLOW_TRACKING_URI="")


def test_without_a_server_to_push_to_there_is_one_sentence(embedded: Project) -> None:
    output = embedded.run("hpoe", "push-runs", expect=1, MLFLOW_TRACKING_URI="")
    assert output.startswith("error: MLFLOW_TRACKING_URI names no server")
    assert output.count("\n") == 1


def test_a_login_that_is_refused_is_one_sentence(embedded: Project, services: Services) -> None:
    for command in ("push-runs", "models", "sync"):
        output = embedded.run(
            "hpoe", command, expect=1, MLFLOW_TRACKING_URI=services.gateway.uri,
            MLFLOW_TRACKING_USERNAME="nobody", MLFLOW_TRACKING_PASSWORD="nothing",  # noqa: S106
        )  # fmt: skip
        assert "refuses the login of nobody: set MLFLOW_TRACKING_USERNAME" in output
        assert output.count("\n") == 1
