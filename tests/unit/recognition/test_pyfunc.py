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
from PIL import Image

from hpoe.tensors import save_tensors
from hpoe_recognition.normalization import deskew
from hpoe_recognition.pyfunc import DigitModel, data_url
from tests.unit.recognition.systems import LABELS, images, placed_images, recogniser


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "weights.safetensors"
    save_tensors(path, *recogniser(how="deskewed").contents())
    return path


def loaded(weights: Path) -> DigitModel:
    model = DigitModel()
    context: Any = SimpleNamespace(
        model_config={"max_pixels": 1000}, artifacts={"weights": str(weights)}
    )
    model.load_context(context)
    return model


def ask(model: DigitModel, texts: list[str]) -> list[dict[str, Any]]:
    context: Any = None
    return model.predict(context, pd.DataFrame({"image": texts}))


def test_an_explanation_is_the_answer_with_what_was_seen(weights: Path) -> None:
    model, image = loaded(weights), placed_images(1)[0]
    explained = model.explain(data_url(image))
    (answer,) = ask(model, [data_url(image)])
    assert {key: explained[key] for key in answer} == answer
    assert explained["looks_like_digit"] == (explained["digit_score"] >= explained["threshold"])
    assert explained["labels"] == list(LABELS)
    assert len(explained["reconstructions"]) == len(LABELS)
    seen = base64.b64decode(explained["seen"].partition(",")[2])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(seen))), deskew(image[None])[0])


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
