"""The registered model through a pipeline's life: first, better, worse, undone."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hpoe.data.split import load_digit
from tests.acceptance.test_champion import encoded
from tests.pipeline.project import SMALL, Project
from tests.serving.running import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "REGISTRY" not in os.environ,
        reason="minutes: REGISTRY=1 pytest tests/pipeline/test_register.py",
    ),
]


@pytest.fixture(scope="module")
def registered(project: Project) -> Project:
    """A project whose first version is the champion."""
    output = project.run("dvc", "repro")
    assert "version 1 is the champion" in output
    return project


def choose(project: Project, network: str) -> str:
    """Make a network the classifier's, and run the pipeline; what it said."""
    project.change(
        train=["default", "other"], classifier={**SMALL["classifier"], "networks": [network]}
    )
    return project.run("dvc", "repro")


def champion_of(project: Project) -> str:
    """The number of the version that `hpoe models` shows as the champion."""
    lines = project.run("hpoe", "models", COLUMNS="200").splitlines()
    (line,) = [line for line in lines if "champion" in line]
    return line.split("│")[1].strip()


def test_a_worse_candidate_is_registered_but_not_promoted(registered: Project) -> None:
    output = choose(registered, "other")
    assert "version 2 registered as the candidate" in output
    assert "version 1 stays the champion: the candidate is worse" in output
    assert champion_of(registered) == "1"
    record = json.loads((registered.root / "reports/runs/register.json").read_text())
    assert record["stage"]["status"] == "FINISHED"


def test_promote_and_rollback_move_the_champion_by_one_command_each(registered: Project) -> None:
    registered.run("hpoe", "promote", "2")
    assert champion_of(registered) == "2"
    assert "version 1 is the champion again" in registered.run("hpoe", "rollback")
    assert champion_of(registered) == "1"
    assert "no previous champion to restore" in registered.run("hpoe", "rollback", expect=1)
    assert "it has 1, 2" in registered.run("hpoe", "promote", "9", expect=1)


@pytest.fixture
def server(registered: Project, tmp_path: Path) -> Iterator[Server]:
    """A server of the project's registry."""
    server = Server(tmp_path, f"sqlite:///{registered.root}/mlruns/mlflow.db")
    yield server
    server.kill()


def test_a_server_answers_with_the_champion_of_its_start(
    registered: Project, server: Server
) -> None:
    """The package alone: its answers are those of `hpoe predict`, to the last digit."""
    image = registered.root / "7.png"
    digits = load_digit(registered.root / "data/split", 7)
    Image.fromarray(digits.test[0]).save(image)
    predicted = json.loads(registered.run("hpoe", "predict", "--json", "7.png"))
    assert predicted.pop("file") == "7.png"
    server.start()
    request: dict[str, Any] = {
        "dataframe_records": [{"image": encoded(Image.fromarray(digits.test[0]))}]
    }
    (served,) = server.post(request).json()["predictions"]
    assert served.pop("probabilities") == pytest.approx(predicted.pop("probabilities"))
    assert served == pytest.approx(predicted)
    explained = server.post({"image": request["dataframe_records"][0]["image"]}, "/explain").json()
    assert explained["digit"] == served["digit"]
    assert len(explained["reconstructions"]) == 10


def test_a_picture_that_is_none_is_one_sentence(registered: Project) -> None:
    (registered.root / "letter.png").write_text("hello")
    output = registered.run("hpoe", "predict", "letter.png", expect=1)
    assert output.startswith("error: letter.png: the image is not a PNG")
    assert output.count("\n") == 1
    assert "neither a file nor a folder" in registered.run("hpoe", "predict", "none.png", expect=1)


def test_the_package_needs_nothing_but_its_requirements(registered: Project) -> None:
    """Its code holds what answers, and none of what trains; no pickle anywhere."""
    files = {path.name: path for path in (registered.root / "mlruns").rglob("models/m-*/**/*.*")}
    assert "weights.safetensors" in files
    assert {"recogniser.py", "images.py", "pyfunc.py"} <= set(files)
    assert not {"rbm.py", "digit.py", "stage.py", "registry.py"} & set(files)
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]
    required = files["requirements.txt"].read_text().split()
    assert [line.partition("==")[0] for line in required] == [
        "mlflow-skinny", "numpy", "pandas", "pillow", "safetensors",
    ]  # fmt: skip
