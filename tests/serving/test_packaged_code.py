"""A registered version answers with the code it was packaged with, whatever is installed here."""

import base64
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from mlflow import MlflowClient
from mlflow.models import Model
from mlflow.types.schema import DataType, Map

from hpoe.registration.registry import WEIGHTS, Registry, read_validation
from hpoe.tensors import load_tensors, save_tensors
from hpoe_recognition.answer import Answer
from hpoe_recognition.images import base64_png
from tests.processes import Service, free_port, wait_until
from tests.serving.running import Server
from tests.unit.recognition.systems import LABELS, images

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
IMAGE = base64_png(images(1)[0])
MARK = """

_answer = Recogniser.answer
Recogniser.answer = lambda self, images: [
    Answer(**{**vars(each), "label": MARK}) for each in _answer(self, images)
]
"""
"""Appended to the recognition code: each answer has a label that tells which code gave it."""
REGISTER = """
import sys
from hpoe.registration.registry import Registry
from hpoe.tracking.store import Tracker
from tests.unit.recognition.systems import registered

Tracker(sys.argv[1])
registered(Registry(sys.argv[1]))
"""
CHECK = """
import sys
from contextlib import closing
import pandas
from hpoe.registration.candidates import Candidate
from hpoe.registration.packages import Package
from hpoe.registration.registry import Registry
from tests.unit.recognition.systems import placed_images, recogniser

made, images = recogniser(), placed_images(20)
with closing(Package(Registry(sys.argv[1]), int(sys.argv[2]), 1)) as package:
    labels = made.system.recognise(made.system.validation_net, images)
    Candidate(made, pandas.DataFrame({"prediction": labels}), images)._check(package)
"""
LOAD = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(pandas.DataFrame({"image": [sys.argv[2]]}))))
"""


def python(*arguments: str, sources: Path = ROOT / "src") -> "subprocess.CompletedProcess[str]":
    """Run Python, with hpoe from a folder of sources."""
    path = os.pathsep.join([str(sources), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with versions 1 and 2, registered with code that marks its answers."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    for mark in ("code 1", "code 2"):
        sources = folder / mark
        shutil.copytree(ROOT / "src", sources)
        with (sources / "hpoe_recognition" / "recogniser.py").open("a") as code:
            code.write(MARK.replace("MARK", repr(mark)))
        done = python("-c", REGISTER, uri, sources=sources)
        assert done.returncode == 0, done.stderr[-3000:]
    return uri


@pytest.fixture(params=[1, 2])
def version(store: str, request: pytest.FixtureRequest) -> int:
    """The number of the version that is made the champion."""
    number: int = request.param
    MlflowClient(store, store).set_registered_model_alias("hpoe-digits", "champion", str(number))
    return number


def hpoe(uri: str, *arguments: str) -> str:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "HPOE_WORKERS": "1"}
    command = [str(BIN / "hpoe"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_predict_and_score_ask_the_packaged_code(store: str, version: int, tmp_path: Path) -> None:
    (tmp_path / "digit.png").write_bytes(base64.b64decode(IMAGE))
    answer = json.loads(hpoe(store, "predict", "--json", str(tmp_path / "digit.png")))
    assert answer["label"] == f"code {version}"
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"image": [IMAGE] * 3}), source)
    hpoe(store, "score", str(source), str(target))
    assert pq.read_table(target)["label"].to_pylist() == [f"code {version}"] * 3


@pytest.mark.parametrize("version", [2], indirect=True)
def test_serve_asks_the_packaged_code_also_after_a_rollback(
    store: str, version: int, tmp_path: Path
) -> None:
    server = Server(tmp_path, store)

    def label() -> str:
        (answer,) = server.post({"inputs": [IMAGE]}).json()["predictions"]
        assert server.post({"image": IMAGE}, "/explain").json()["label"] == answer["label"]
        return str(answer["label"])

    try:
        server.start("--follow", "--workers", "1")
        assert label() == f"code {version}"
        client = MlflowClient(store, store)
        client.set_registered_model_tag("hpoe-digits", "champions", "[1, 2]")
        assert "version 1 is the champion again" in hpoe(store, "rollback")
        wait_until(lambda: "version 1 is served" in server.log())
        assert label() == "code 1"
    finally:
        server.kill()


def test_the_check_after_registration_asks_the_packaged_code(store: str) -> None:
    """The installed code would have answered rightly."""
    done = python("-c", CHECK, store, "1")
    assert "the package of version 1 classifies 20 validation images" in done.stderr


def test_a_package_says_what_it_takes_and_answers(store: str, tmp_path: Path) -> None:
    """So do MLflow's UI, and Spark, which makes columns of it."""
    described = Model.load(str(Registry(store).fetch(1, tmp_path)))
    assert described.metadata == {"contract": 2}
    assert described.signature is not None
    assert described.signature.inputs.input_dict()["image"].type == DataType.string
    outputs = {each.name: each.type for each in described.signature.outputs}
    assert list(outputs) == [field.name for field in fields(Answer)]
    assert outputs == {
        "label": DataType.string,
        "probability": DataType.double,
        "probabilities": Map(DataType.double),
        "typicality": DataType.double,
        "is_known": DataType.boolean,
        "known_score": DataType.double,
    }


def test_predictions_on_validation_images_come_back_as_text(store: str, tmp_path: Path) -> None:
    """But those of the first versions, which cannot be compared any more, do not."""
    registry = Registry(store)
    validation = registry.validation(1)
    assert validation is not None
    (row,) = validation.to_dict("records")
    assert row == {"image": 0, "label": LABELS[0], "prediction": LABELS[1]}
    arrays, _ = load_tensors(registry.fetch(1, tmp_path) / "artifacts" / WEIGHTS, "")
    del arrays["validation/image"]
    save_tensors(tmp_path / WEIGHTS, arrays, {"labels": [*range(10)]})
    assert read_validation(tmp_path / WEIGHTS) is None


def test_mlflows_own_server_asks_the_packaged_code(store: str, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    command = [str(BIN / "mlflow"), "models", "serve", "-m", "models:/hpoe-digits/1"]
    command += ["--env-manager", "local", "-p", address.rpartition(":")[2]]
    environment = {"MLFLOW_TRACKING_URI": store, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def ready() -> bool:
        return requests.get(f"{address}/ping", timeout=5).ok

    server = Service(tmp_path, command, ready, environment)
    try:
        server.start()
        reply = requests.post(f"{address}/invocations", json={"inputs": [IMAGE]}, timeout=60)
        (answer,) = reply.json()["predictions"]
        assert list(answer) == [field.name for field in fields(Answer)]
        assert answer["label"] == "code 1"
        assert list(answer["probabilities"]) == list(LABELS)
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    finally:
        server.kill()


def test_a_package_answers_where_only_its_requirements_are_installed(
    store: str, tmp_path: Path
) -> None:
    package = Registry(store).fetch(1, tmp_path)
    venv.create(tmp_path / "venv", with_pip=True)
    interpreter = str(tmp_path / "venv/bin/python")
    install = [interpreter, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*install, "-r", str(package / "requirements.txt")], check=True, timeout=600)
    command = [interpreter, "-W", "ignore", "-c", LOAD, str(package), IMAGE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert answers[0]["label"] == "code 1"
