"""Classes other than all ten digits: trained, registered, served, and shown on the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from hpoe.data.split import load_digit
from hpoe_recognition.images import base64_png
from tests.pipeline.project import SMALL, TINY, Project
from tests.programs import require
from tests.serving.running import Server
from tests.ui.browser import SEVEN, chromium, open_visit

pytestmark = pytest.mark.slow
CHOICES = {"nine digits": list(range(1, 10)), "two digits": [7, 9]}
"""In this order: the second lacks classes of the first and is promoted by hand."""
SMALLEST: dict[str, Any] = {
    "networks": {"default": {**TINY, "epochs": 2}},
    "classifier": {
        **SMALL["classifier"],
        "logistic_regression": {"inverse_regularisation": [1.0]},
        "gradient_ascent": {"learning_rate": 0.0002, "momentum": 0.9, "max_epochs": 5},
    },
    "shift_normalization": {"temperatures": [10.0]},
}


@dataclass(frozen=True)
class Served:
    """A running server of a system, its class labels, and test images of sevens."""

    server: Server
    labels: list[int]
    sevens: Sequence[str]


@pytest.fixture(scope="module", params=CHOICES)
def served(
    request: pytest.FixtureRequest, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The pipeline run to its end with some of the digits, and its model served."""
    labels = CHOICES[request.param]
    project.change(split={**SMALL["split"], "digits": labels}, **SMALLEST)
    output = project.run("dvc", "repro")
    if request.param == "two digits":
        assert (
            "version 1 stays the champion: only the champion knows the classes 1, 2, 3, 4, 5, 6, 8"
            in output
        )
        project.run("hpoe", "promote", "2")
    images = load_digit(project.root / "data/split", 7).test
    registry = f"sqlite:///{project.root}/mlruns/mlflow.db"
    server = Server(tmp_path_factory.mktemp("server"), registry)
    yield Served(server.start(), labels, [base64_png(image) for image in images])
    server.kill()


def test_an_answer_is_one_of_the_classes_with_one_probability_for_each(served: Served) -> None:
    request = {"dataframe_records": [{"image": text} for text in served.sevens]}
    answers: list[dict[str, Any]] = served.server.post(request).json()["predictions"]
    for answer in answers:
        probabilities = answer["probabilities"]
        assert len(probabilities) == len(served.labels)
        assert sum(probabilities) == pytest.approx(1)
        assert answer["digit"] == served.labels[probabilities.index(max(probabilities))]
    right = sum(answer["digit"] == 7 for answer in answers)
    assert right > 1.5 * len(answers) / len(served.labels), "no better than chance"


def test_the_page_shows_these_classes_and_no_other(served: Served) -> None:
    require("chromium")
    names = [str(label) for label in served.labels]
    with chromium() as browser:
        visit = open_visit(browser, f"http://127.0.0.1:{served.server.port}")
        visit.ask([*SEVEN])
        visit.page.locator("#bars tr").nth(len(names) - 1).wait_for()
        assert visit.page.locator("#bars th").all_inner_texts() == names
        shares = visit.page.locator("#bars .value").all_inner_texts()
        assert all(share.endswith("%") for share in shares)
        captions = visit.page.locator("#reconstructions figcaption").all_inner_texts()
        assert [caption[0] for caption in captions] == names
        page = visit.page.content()
        assert "NaN" not in page
        assert "undefined" not in page
        assert visit.complaints == []
