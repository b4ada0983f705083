"""The registered model: MLflow's pyfunc from code; a table of images in, answers out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from hpoe_recognition.formats import MNIST
from hpoe_recognition.images import ImageError, Limits, base64_png, read_image
from hpoe_recognition.recogniser import Recogniser


class DigitModel(PythonModel):
    """Recognises digits in images that are base64 texts, or data: URLs, of image files.

    `predict` is for clients of MLflow; hpoe calls the other methods. They take and return plain
    values, and hpoe must be able to call those of every version that was ever registered.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights. The limit on pixels can be set when the model is loaded."""
        self.limits = Limits(most_pixels=context.model_config["max_pixels"])
        self.recogniser = Recogniser.load(Path(context.artifacts["weights"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """Return one answer per record, in order.

        Raises:
            MlflowException: an image cannot be read; MLflow answers 400 with the sentence.
        """
        answers = self.answers(model_input["image"].tolist())
        if not answers:
            raise MlflowException(
                "there is no record: send at least one, with an `image`", INVALID_PARAMETER_VALUE
            )
        for number, answer in enumerate(answers):
            if "error" in answer:
                raise MlflowException(
                    f"record {number}: {answer['error']}", INVALID_PARAMETER_VALUE
                )
        return answers

    def answers(self, texts: Sequence[object]) -> list[dict[str, Any]]:
        """Return one answer per text; for one that is not an image, `error` with one sentence."""
        read = [self._read(text) for text in texts]
        images = [image for image in read if not isinstance(image, str)]
        found = iter(self.recogniser.answer(np.stack(images)) if images else [])
        return [{"error": each} if isinstance(each, str) else asdict(next(found)) for each in read]

    def explain(self, text: object) -> dict[str, Any]:
        """Return the answer to one image, the models' input, and each class's reconstruction.

        For a text that is not an image, `error` with one sentence.
        """
        image = self._read(text)
        if isinstance(image, str):
            return {"error": image}
        (answer,) = self.recogniser.answer(image[None])
        return {
            **asdict(answer),
            "labels": list(self.recogniser.system.labels),
            "threshold": float(self.recogniser.digit_score.threshold),
            "seen": data_url(self.recogniser.system.network_input(image[None])[0]),
            "reconstructions": [
                data_url(each) for each in self.recogniser.system.reconstructions(image)
            ],
        }

    def validation_labels(self, texts: Sequence[str]) -> list[int]:
        """Return the labels recognised by the net that was fitted without validation images."""
        images = np.stack([read_image(text, self.limits, MNIST) for text in texts])
        system = self.recogniser.system
        return [int(label) for label in system.recognise(system.validation_net, images)]

    def _read(self, text: object) -> NDArray[np.uint8] | str:
        """Prepare an image for the model, or return a sentence that says why it is not one."""
        try:
            return read_image(text, self.limits, MNIST)
        except ImageError as error:
            return str(error)


def data_url(image: NDArray[np.uint8]) -> str:
    """Encode a grey image [rows, columns] as the URL of a PNG."""
    return f"data:image/png;base64,{base64_png(image)}"


set_model(DigitModel())
