"""The registered model: MLflow's pyfunc from code; a table of images in, answers out."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray
from PIL import Image

from hpoe_recognition.images import ImageError, Limits, read_image
from hpoe_recognition.recogniser import Recogniser

LEAST_A_THREAD = 10
"""Images that are worth handing to another thread."""


class DigitModel(PythonModel):
    """Recognises digits in images that are base64 texts, or data: URLs, of image files."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights; who serves the model may set the limit on pixels, and the threads."""
        self.limits = Limits(most_pixels=context.model_config["max_pixels"])
        self.threads: int = context.model_config["threads"]
        self.pool = ThreadPoolExecutor(self.threads)
        self.recogniser = Recogniser.load(Path(context.artifacts["weights"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """An answer a record, in order.

        Raises:
            MlflowException: an image cannot be read; MLflow answers 400 with the sentence.
        """
        try:
            images = self._read(model_input["image"].tolist())
        except ImageError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None
        parts = np.array_split(images, max(1, min(self.threads, len(images) // LEAST_A_THREAD)))
        each = map if len(parts) == 1 else self.pool.map
        return [asdict(answer) for part in each(self.recogniser.answer, parts) for answer in part]

    def explain(self, text: object) -> dict[str, Any]:
        """The answer to one image, what the models saw of it, and how each digit's model sees it.

        Raises:
            ImageError: the image cannot be read.
        """
        image = read_image(text, self.limits)
        (answer,) = self.recogniser.answer(image[None])
        return {
            **asdict(answer),
            "threshold": float(self.recogniser.digit_score.threshold),
            "seen": data_url(self.recogniser.system.seen(image[None])[0]),
            "reconstructions": [
                data_url(each) for each in self.recogniser.system.reconstructions(image)
            ],
        }

    def _read(self, texts: Sequence[object]) -> NDArray[np.uint8]:
        if not texts:
            raise ImageError("there is no record: send at least one, with an `image`")
        images = []
        for number, text in enumerate(texts):
            try:
                images.append(read_image(text, self.limits))
            except ImageError as error:
                raise ImageError(f"record {number}: {error}") from None
        return np.stack(images)


def data_url(image: NDArray[np.uint8]) -> str:
    """A grey image [rows, columns] as a PNG that a browser shows."""
    with BytesIO() as file:
        Image.fromarray(image).save(file, "PNG")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


set_model(DigitModel())
