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
from hpoe_recognition.pyfunc import LEAST_A_THREAD, DigitModel, data_url
from tests.unit.recognition.systems import LABELS, images, recogniser


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "weights.safetensors"
    save_tensors(path, *recogniser(how="deskewed").contents())
    return path


def loaded(weights: Path, threads: int = 1) -> DigitModel:
    model = DigitModel()
    config = {"max_pixels": 1000, "threads": threads}
    context: Any = SimpleNamespace(model_config=config, artifacts={"weights": str(weights)})
    model.load_context(context)
    return model


def ask(model: DigitModel, texts: list[str]) -> list[dict[str, Any]]:
    context: Any = None
    return model.predict(context, pd.DataFrame({"image": texts}))


@pytest.mark.parametrize("count", [1, LEAST_A_THREAD, 5 * LEAST_A_THREAD + 1])
def test_several_threads_answer_as_one_in_order(weights: Path, count: int) -> None:
    texts = [data_url(image) for image in images(count)]
    alone, shared = (ask(loaded(weights, threads), texts) for threads in (1, 3))
    assert len(shared) == count
    for one, other in zip(alone, shared, strict=True):
        assert one["digit"] == other["digit"]
        np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-6)
        assert one["digit_score"] == pytest.approx(other["digit_score"], abs=1e-4)


def test_an_explanation_is_the_answer_with_what_was_seen(weights: Path) -> None:
    model, image = loaded(weights), images(1)[0]
    explained = model.explain(data_url(image))
    (answer,) = ask(model, [data_url(image)])
    assert {key: explained[key] for key in answer} == answer
    assert explained["looks_like_digit"] == (explained["digit_score"] >= explained["threshold"])
    assert explained["labels"] == list(LABELS)
    assert len(explained["reconstructions"]) == len(LABELS)
    seen = base64.b64decode(explained["seen"].partition(",")[2])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(seen))), deskew(image[None])[0])


def test_a_bad_record_is_named_whichever_thread_would_have_had_it(weights: Path) -> None:
    texts = [data_url(image) for image in images(50)]
    texts[41] = "!"
    with pytest.raises(MlflowException, match=r"^record 41: the image is not base64"):
        ask(loaded(weights, 4), texts)
