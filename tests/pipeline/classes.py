"""A small pipeline's champion, served: its answers and its page are of the classes it knows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hpoe.data.split import load_class
from hpoe.tracking.sqlite import sqlite_uri
from hpoe_recognition.images import base64_png
from tests.pipeline.project import Project
from tests.serving.running import Server
from tests.ui.browser import SEVEN, chromium, open_visit


@contextmanager
def serving(project: Project, folder: Path) -> Iterator[Server]:
    """A server of the project's champion."""
    server = Server(folder, sqlite_uri(project.root / "mlruns/mlflow.db"))
    try:
        yield server.start()
    finally:
        server.kill()


def check_answers(server: Server, project: Project, labels: Sequence[str]) -> None:
    """Check that each answer is one of the classes, with one probability for each of them."""
    sevens = [base64_png(image) for image in load_class(project.root / "data/split", "7").test]
    request = {"dataframe_records": [{"image": text} for text in sevens]}
    answers: list[dict[str, Any]] = server.post(request).json()["predictions"]
    for answer in answers:
        probabilities = answer["probabilities"]
        assert list(probabilities) == [str(label) for label in labels]
        assert sum(probabilities.values()) == pytest.approx(1)
        assert answer["label"] == max(probabilities, key=probabilities.__getitem__)
    right = sum(answer["label"] == "7" for answer in answers)
    assert right > 1.5 * len(answers) / len(labels), "no better than chance"


def check_page(server: Server, labels: Sequence[str]) -> None:
    """Check that the page shows the classes and no other, and has no complaints."""
    names = list(labels)
    with chromium() as browser:
        visit = open_visit(browser, f"http://127.0.0.1:{server.port}")
        visit.page.locator("body[data-preparation]").wait_for()  # it knows the classes
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
