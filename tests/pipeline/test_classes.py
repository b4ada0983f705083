"""Two classes instead of ten: trained, registered, served, and shown on the page."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hpoe.data.split import load_digit
from hpoe_recognition.images import base64_png
from tests.pipeline.classes import check_answers, check_page, serving
from tests.pipeline.project import SMALL, TINY, Project
from tests.programs import require
from tests.serving.running import Server

pytestmark = pytest.mark.slow
LABELS = [7, 9]
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
def two(project: Project) -> Project:
    """The project after a pipeline of two digits."""
    project.change(split={**SMALL["split"], "digits": LABELS}, **SMALLEST)
    assert "version 1 is the champion" in project.run("dvc", "repro")
    return project


@pytest.fixture(scope="module")
def server(two: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the first version."""
    with serving(two, tmp_path_factory.mktemp("server")) as server:
        yield server


def test_an_answer_is_one_of_the_two(server: Server, two: Project) -> None:
    check_answers(server, two, LABELS)


def test_the_page_shows_the_two(server: Server) -> None:
    require("chromium")
    check_page(server, LABELS)


def test_predict_gives_the_answer_of_the_server(server: Server, two: Project) -> None:
    text = base64_png(load_digit(two.root / "data/split", 7).test[0])
    (two.root / "7.png").write_bytes(base64.b64decode(text))
    predicted = json.loads(two.run("hpoe", "predict", "--json", "7.png"))
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
    two: Project, command: tuple[str, ...], sentence: str
) -> None:
    output = two.run("hpoe", *command, expect=1)
    assert output.startswith("error: ")
    assert sentence in output
    assert output.count("\n") == 1


def test_a_package_holds_what_answers_none_of_what_trains_and_no_pickle(two: Project) -> None:
    names = {path.name for path in (two.root / "mlruns").rglob("models/m-*/**/*.*")}
    assert {"weights.safetensors", "recogniser.py", "images.py", "pyfunc.py"} <= names
    assert not {"rbm.py", "digit.py", "stage.py", "registry.py"} & names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
