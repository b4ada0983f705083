"""The champion of the last `make repro`, asked over HTTP: `make accept`.

The images are the official test images, and pictures on which nothing was tuned. Each test prints
its figure (`pytest -s`), so that a run also shows how far it is from its bound.
"""

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageColor
from sklearn.metrics import roc_auc_score

from benchmarks.surroundings import SURROUNDINGS
from tests.acceptance.strangers import KINDS
from tests.serving.running import Server

ROOT = Path(__file__).parents[2]
AT_ONCE = 250
CLIENTS = 2
Images = NDArray[np.uint8]
Labelled = tuple[Images, NDArray[np.int64]]
REFUSED_AT_LEAST = {
    "symbols": 0.90,
    "letters": 0.90,
    "digits turned by 90 degrees": 0.80,
}
"""Minimum share of refused images by kind; of all other kinds, 0.95."""


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> str:
    with io.BytesIO() as file:
        picture.save(file, form, **options)
        return base64.b64encode(file.getvalue()).decode()


def ask(server: Server, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The answers to many images, in order."""
    chunks = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]

    def post(chunk: Sequence[str]) -> list[dict[str, Any]]:
        reply = server.post({"dataframe_records": [{"image": text} for text in chunk]})
        assert reply.status == 200, reply.body
        answers: list[dict[str, Any]] = reply.json()["predictions"]
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [answer for answers in pool.map(post, chunks) for answer in answers]


@pytest.mark.parametrize(
    ("document", "language"), [("README.md", "text"), ("docs/serving.md", "python")]
)
def test_the_documents_examples_are_answered(
    document: str, language: str, champion: Server
) -> None:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "/invocations" in block)
    program = ["bash", "-c"] if language == "text" else [sys.executable, "-c"]
    code = example.replace("127.0.0.1:5001", f"127.0.0.1:{champion.port}")
    output = subprocess.run([*program, code], cwd=ROOT, capture_output=True, text=True, check=True)
    said = (
        r"^7 (0\.9|1\.0)\d* True$" if language == "python" else r'"label": "7", "probability": 0\.9'
    )
    assert re.search(said, output.stdout), output.stdout


def error_rate(answers: Iterable[dict[str, Any]], labels: NDArray[np.int64]) -> float:
    return float(np.mean([a["label"] for a in answers] != labels.astype(str)))


@pytest.fixture(scope="session")
def answers(champion: Server, test_images: Labelled) -> list[dict[str, Any]]:
    """The champion's answers to all test images, sent as PNG files."""
    return ask(champion, [encoded(Image.fromarray(image)) for image in test_images[0]])


def test_every_test_image_is_answered_as_the_evaluation_does(
    answers: list[dict[str, Any]], test_images: Labelled
) -> None:
    predictions = pd.read_parquet(ROOT / "reports" / "shift_predictions.parquet")
    evaluated = predictions.loc[predictions["set"] == "test"].reset_index(drop=True)
    np.testing.assert_array_equal(evaluated["label"], test_images[1])
    np.testing.assert_array_equal(
        [a["label"] for a in answers], evaluated["prediction"].astype(str)
    )
    rates = json.loads((ROOT / "reports" / "shift_normalization.json").read_text())["soft"]
    assert error_rate(answers, test_images[1]) == pytest.approx(rates["test_error_rate"])
    probabilities = evaluated[[f"probability/{digit}" for digit in range(10)]]
    served = np.array([[*a["probabilities"].values()] for a in answers])
    np.testing.assert_allclose(served, probabilities, atol=1e-3)


def test_one_in_a_hundred_test_images_is_refused(answers: list[dict[str, Any]]) -> None:
    """The threshold was set on other digits: 100 of 10,000 expected, three standard errors."""
    refused = float(np.mean([not a["is_known"] for a in answers]))
    print(f"refused test images: {refused:.2%}")
    assert refused < 0.02


def test_typicality_of_test_images_is_a_percentile(answers: list[dict[str, Any]]) -> None:
    """Uniform on 0..100 for digits like the held-out ones; the mean's standard error is 0.3."""
    typicality = np.array([a["typicality"] for a in answers])
    assert typicality.min() >= 0
    assert typicality.max() <= 100
    assert abs(typicality.mean() - 50) < 5


def photograph(image: Images, rng: np.random.Generator) -> str:
    """Return a test image enlarged, off centre, tinted, inverted or not, as a JPEG."""
    times = int(rng.integers(3, 31))
    large = Image.fromarray(image).resize((28 * times, 28 * times), Image.Resampling.BICUBIC)
    side = int(28 * times * rng.uniform(1, 1.6))
    sheet = Image.new("L", (side, side), 0)
    left, top = (int(rng.integers(0, side - 28 * times + 1)) for _ in "xy")
    sheet.paste(large, (left, top))
    levels = np.asarray(sheet, np.float32)[..., None] / 255
    hue = f"hsl({rng.integers(360)}, {rng.integers(20, 70)}%, 80%)"
    paper, ink = np.array(ImageColor.getrgb(hue), np.float64), rng.uniform(0, 60, 3)
    if rng.integers(2):
        paper, ink = ink, paper
    tinted = levels * ink + (1 - levels) * paper
    return encoded(Image.fromarray(np.rint(tinted).astype(np.uint8)), "JPEG", quality=60)


def test_photographed_test_images_are_recognised_nearly_as_well(
    champion: Server, answers: list[dict[str, Any]], test_images: Labelled
) -> None:
    """The error is at most half a percentage point higher, ten of the 2,000 images compared."""
    rng = np.random.default_rng(0)
    some = slice(None, None, 5)
    found = ask(champion, [photograph(image, rng) for image in test_images[0][some]])
    labels = test_images[1][some]
    raw, now = error_rate(answers[some], labels), error_rate(found, labels)
    print(f"errors of 2,000 test images: raw {raw:.2%}, photographed {now:.2%}")
    assert now <= raw + 0.005


@pytest.mark.parametrize("kind", SURROUNDINGS)
def test_what_surrounds_a_digit_costs_little(
    kind: str, champion: Server, answers: list[dict[str, Any]], test_images: Labelled
) -> None:
    """The error is at most a point and a half higher, seven of the 500 images compared."""
    rng = np.random.default_rng(2)
    some = slice(None, None, 20)
    texts = [encoded(SURROUNDINGS[kind](image, rng)) for image in test_images[0][some]]
    found, labels = ask(champion, texts), test_images[1][some]
    raw, now = error_rate(answers[some], labels), error_rate(found, labels)
    refused = float(np.mean([not answer["is_known"] for answer in found]))
    print(f"{kind}: errors {now:.1%}, plain {raw:.1%}; refused {refused:.1%}")
    assert now <= raw + 0.015


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_digit_is_refused(
    kind: str, champion: Server, answers: list[dict[str, Any]], test_images: Labelled
) -> None:
    rng = np.random.default_rng(1)
    make: Callable[[np.random.Generator, Images], Image.Image] = KINDS[kind]
    found = ask(champion, [encoded(make(rng, test_images[0])) for _ in range(400)])
    refused = float(np.mean([not a["is_known"] for a in found]))
    scores = [a["known_score"] for a in (*answers, *found)]
    area = roc_auc_score(np.repeat([1, 0], [len(answers), len(found)]), scores)
    print(f"{kind}: {refused:.1%} refused, AUROC {area:.4f}")
    assert refused >= REFUSED_AT_LEAST.get(kind, 0.95)
