"""The smallest pipeline, two classes in a folder with an odd name: one story of its user's habits.

The tests go on from each other's state, in order, since a pipeline takes a while.
"""

import base64
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from hpoe.data.mnist import SHA256
from hpoe.data.split import load_class
from hpoe.tracking.sqlite import sqlite_uri
from hpoe_recognition.images import base64_png
from tests.pipeline.classes import check_answers, check_page, serving
from tests.pipeline.conftest import new_project
from tests.pipeline.extras import block_others
from tests.pipeline.project import ROOT, SMALL, TINY, Project
from tests.processes import free_port
from tests.programs import require
from tests.serving.running import Server

pytestmark = pytest.mark.slow
ODD = "50%41 (new)"
LABELS = ["7", "9"]
SMALLEST: dict[str, Any] = {
    "networks": {"default": {**TINY, "epochs": 2}},
    "classifier": {
        **SMALL["classifier"],
        "logistic_regression": {"inverse_regularisation": [1.0]},
        "gradient_ascent": {"learning_rate": 0.0002, "momentum": 0.9, "max_epochs": 5},
    },
    "shift_normalization": {"temperatures": [10.0]},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Iterator[Project]:
    """A clone in which somebody has put MNIST's files, and a note, before anything ran."""
    root = tmp_path_factory.mktemp("habits") / ODD / "hpoe"
    clone = new_project(root, mnist_dir)
    clone.change(split={**SMALL["split"], "classes": LABELS}, **SMALLEST)
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


def is_up(address: str) -> bool:
    """Whether a server answers."""
    try:
        return requests.get(address, timeout=1).ok
    except requests.RequestException:
        return False


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
    assert "version 1 is the champion" in clone.run("dvc", "repro")
    assert clone.run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert "champion" in clone.run("hpoe", "models")


@pytest.fixture(scope="module")
def server(clone: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the first version."""
    with serving(clone, tmp_path_factory.mktemp("server")) as server:
        yield server


def test_curl_gets_the_answer_that_the_readme_shows(clone: Project, server: Server) -> None:
    """In its form; the numbers are those of a smaller model."""
    command = block("README.md", "IMAGE=").replace("5001", str(server.port))
    answer = json.loads(clone.run("bash", "-c", command))
    shown = block("README.md", '{"predictions"').replace(", ...", "")
    assert list(answer["predictions"][0]) == list(json.loads(shown)["predictions"][0])


def test_an_answer_is_one_of_the_two(server: Server, clone: Project) -> None:
    check_answers(server, clone, LABELS)


def test_the_page_shows_the_two(server: Server) -> None:
    require("chromium")
    check_page(server, LABELS)


def test_predict_gives_the_answer_of_the_server(server: Server, clone: Project) -> None:
    text = base64_png(load_class(clone.root / "data/split", "7").test[0])
    (clone.root / "7.png").write_bytes(base64.b64decode(text))
    predicted = json.loads(clone.run("hpoe", "predict", "--json", "7.png"))
    assert predicted.pop("file") == "7.png"
    (served,) = server.post({"dataframe_records": [{"image": text}]}).json()["predictions"]
    assert served.pop("probabilities") == pytest.approx(predicted.pop("probabilities"))
    assert served == pytest.approx(predicted)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("predict", "params.yaml"), "params.yaml: the image is not a PNG"),
        (("predict", "none.png"), "none.png: the file cannot be read (No such file or directory)"),
        (("promote", "9"), "it has 1"),
        (("rollback",), "no previous champion to restore"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    clone: Project, command: tuple[str, ...], sentence: str
) -> None:
    output = clone.run("hpoe", *command, expect=1)
    assert output.startswith("error: ")
    assert sentence in output
    assert output.count("\n") == 1


def test_the_serve_extra_suffices_to_serve(clone: Project, tmp_path: Path) -> None:
    block_others("serve", tmp_path)
    alone = f"{tmp_path}{os.pathsep}{clone.environment['PYTHONPATH']}"
    missing = clone.run("dvc", "--version", expect=1, PYTHONPATH=alone)
    assert "No module named 'dvc'" in missing
    assert "champion" in clone.run("hpoe", "models", PYTHONPATH=alone)
    assert json.loads(clone.run("hpoe", "predict", "--json", "7.png", PYTHONPATH=alone))
    port = str(free_port())
    running = clone.start("hpoe", "serve", HPOE_SERVE_PORT=port, PYTHONPATH=alone)
    try:
        clone.wait(running, lambda: is_up(f"http://127.0.0.1:{port}/health"))
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait()


def test_a_package_holds_what_answers_none_of_what_trains_and_no_pickle(clone: Project) -> None:
    names = {path.name for path in (clone.root / "mlruns").rglob("models/m-*/**/*.*")}
    assert {"weights.safetensors", "recogniser.py", "images.py", "pyfunc.py"} <= names
    assert not {"rbm.py", "layer.py", "stage.py", "registry.py"} & names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]


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
