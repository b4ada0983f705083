"""The pyfunc, loaded from a package's file as MLflow loads it."""

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray
from PIL import Image

from hpoe.tensors import save_tensors
from hpoe_recognition import pyfunc
from hpoe_recognition.normalization import deskew
from hpoe_recognition.pyfunc import RecognitionModel, data_url
from tests.unit.recognition.systems import LABELS, images, placed_images, recogniser


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "weights.safetensors"
    save_tensors(path, *recogniser(how="deskewed").contents())
    return path


def loaded(weights: Path) -> RecognitionModel:
    model = RecognitionModel()
    context: Any = SimpleNamespace(
        model_config={"max_pixels": 1000}, artifacts={"weights": str(weights)}
    )
    model.load_context(context)
    return model


def opened(url: str) -> NDArray[np.uint8]:
    """The pixels in a data: URL."""
    assert url.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def ask(model: RecognitionModel, texts: list[str]) -> list[dict[str, Any]]:
    context: Any = None
    return model.predict(context, pd.DataFrame({"image": texts}))


def test_an_explanation_is_the_answer_with_what_was_seen(weights: Path) -> None:
    model, image = loaded(weights), placed_images(1)[0]
    explained = model.explain(data_url(image))
    (answer,) = ask(model, [data_url(image)])
    assert {key: explained[key] for key in answer} == answer
    assert explained["is_known"] == (explained["known_score"] >= explained["threshold"])
    seen = deskew(image[None])
    np.testing.assert_array_equal(opened(explained["seen"]), seen[0])
    of = recogniser(how="deskewed").system
    assert list(explained["reconstructions"]) == list(LABELS)
    for position, url in enumerate(explained["reconstructions"].values()):
        np.testing.assert_array_equal(opened(url), of.reconstructions(image, [position])[0])


def test_of_many_classes_the_most_likely_are_reconstructed(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyfunc, "MOST_RECONSTRUCTIONS", 2)
    explained = loaded(weights).explain(data_url(placed_images(1)[0]))
    p = explained["probabilities"]
    (unlikely,) = set(p) - set(explained["reconstructions"])
    assert p[unlikely] == min(p.values())


def test_classes_are_listed_with_an_example_each(weights: Path) -> None:
    listed = loaded(weights).classes()
    classes = listed.pop("classes")
    assert listed == {"contract": 2, "image_size": [28, 28], "preparation": "ink"}
    assert [each["label"] for each in classes] == list(LABELS)
    for each, example in zip(classes, recogniser(how="deskewed").examples, strict=True):
        np.testing.assert_array_equal(opened(each["example"]), example)


def test_a_bad_record_is_named_to_mlflow_and_costs_others_nothing_to_hpoe(weights: Path) -> None:
    texts = [data_url(image) for image in images(5)]
    model, rightly = loaded(weights), ask(loaded(weights), texts)
    texts[3] = "!"
    with pytest.raises(MlflowException, match=r"^record 3: the image is not base64"):
        ask(model, texts)
    answers = model.answers(texts)
    assert set(answers[3]) == {"error"}
    assert answers[3]["error"].startswith("the image is not base64")
    for at in (0, 1, 2, 4):
        for name, value in rightly[at].items():
            assert answers[at][name] == pytest.approx(value, abs=1e-4), name
    assert model.answers([]) == []
    assert model.explain("!") == answers[3]
    with pytest.raises(MlflowException, match="there is no record"):
        ask(model, [])
