"""Habits of people, in a clone in a folder with an odd name: one story on one small project.

The tests go on from each other's state, in order, since a pipeline takes a while.
"""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from hpoe.data.mnist import SHA256
from hpoe.tracking.sqlite import sqlite_uri
from tests.pipeline.classes import serving
from tests.pipeline.conftest import new_project
from tests.pipeline.project import ROOT, Project
from tests.processes import free_port

pytestmark = pytest.mark.slow
ODD = "50%41 (new)"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Iterator[Project]:
    """A clone in which somebody has put MNIST's files, and a note, before anything ran."""
    root = tmp_path_factory.mktemp("habits") / ODD / "hpoe"
    clone = new_project(root, mnist_dir)
    raw = root / "data/raw"
    raw.mkdir(parents=True)
    for name in SHA256:
        shutil.copy(mnist_dir / name, raw)
    (raw / "notes.txt").write_text("where I found these")
    clone.environment["HPOE_MNIST_DIR"] = ""
    yield clone
    shutil.rmtree(root.parents[1])


def block(document: str, start: str) -> str:
    """A fenced block of a document, which begins with a text."""
    (found,) = re.findall(
        rf"```\w+\n({re.escape(start)}.*?)```", (ROOT / document).read_text(), re.S
    )
    return str(found)


def client(clone: Project) -> MlflowClient:
    """A client of the clone's own store."""
    uri = sqlite_uri(clone.root / "mlruns/mlflow.db")
    return MlflowClient(uri, uri)


def test_files_that_somebody_put_among_the_data_are_used_and_stay(clone: Project) -> None:
    raw = clone.root / "data/raw"
    before = {path.name: path.read_bytes() for path in raw.iterdir()}
    said = clone.run("dvc", "repro", "download", NO_PROXY="*", HTTPS_PROXY="http://127.0.0.1:9")
    assert "MNIST from" not in said
    clone.run("dvc", "repro", "--force", "download", HPOE_MNIST_DIR="data/raw")
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == before


def test_the_pipeline_runs_in_a_folder_with_an_odd_name(clone: Project) -> None:
    assert "register" in clone.repro()
    assert clone.run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert "champion" in clone.run("hpoe", "models")


def test_curl_gets_the_answer_that_the_readme_shows(clone: Project, tmp_path: Path) -> None:
    """In its form; the numbers are those of a smaller model."""
    with serving(clone, tmp_path) as server:
        command = block("README.md", "IMAGE=").replace("5001", str(server.port))
        answer = json.loads(clone.run("bash", "-c", command))
    shown = block("README.md", '{"predictions"').replace(", ...", "")
    assert list(answer["predictions"][0]) == list(json.loads(shown)["predictions"][0])


def is_up(address: str) -> bool:
    """Whether a server answers."""
    try:
        return requests.get(address, timeout=1).ok
    except requests.RequestException:
        return False


def test_a_store_that_somebody_removed_is_filled_again_without_training(clone: Project) -> None:
    shutil.rmtree(clone.root / "mlruns")
    weights = {path: path.stat().st_mtime_ns for path in clone.root.glob("models/**/*.safetensors")}
    assert clone.repro() == []
    assert "`hpoe sync` registers" in clone.run("hpoe", "models", expect=1)
    said = clone.run("hpoe", "sync")
    assert "version 1 is the champion" in said
    assert "hpoe-digits" in clone.run("hpoe", "models")
    found = client(clone).search_runs(["1"], "tags.kind = 'stage'")
    assert {run.info.run_name for run in found} >= {"train_layer1@default", "evaluate", "register"}
    assert clone.run("hpoe", "sync").startswith("0 runs")
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


def test_a_moved_project_finds_its_models_and_writes_nothing_to_its_old_place(
    clone: Project,
) -> None:
    old = clone.root
    clone.root = old.parents[1] / "hpoe2"
    old.rename(clone.root)
    clone.environment["PYTHONPATH"] = str(clone.root / "src")
    answer = json.loads(clone.run("hpoe", "predict", "--json", "docs/images/seven.png"))
    assert answer["file"] == "docs/images/seven.png"
    assert clone.repro() == []
    assert clone.repro("--force", "--single-item", "register") == ["register"]
    assert {int(each.version) for each in client(clone).search_model_versions()} == {1, 2}
    assert not old.exists()


def test_mlflows_own_server_serves_the_champion_as_documented(clone: Project) -> None:
    """In the new place: MLflow's server itself finds no package in a folder called `50%41`."""
    port = free_port()
    command = block("docs/serving.md", "MLFLOW_TRACKING_URI=").replace("5002", str(port))
    running = clone.start("bash", "-c", command)
    try:
        clone.wait(running, lambda: is_up(f"http://127.0.0.1:{port}/ping"))
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait()
    assert not list(clone.root.glob("*.db"))
