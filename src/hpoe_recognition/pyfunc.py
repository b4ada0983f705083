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

from hpoe_recognition.answer import CONTRACT
from hpoe_recognition.images import ImageError, Limits, base64_png, read_image
from hpoe_recognition.recogniser import Recogniser

MOST_RECONSTRUCTIONS = 10
"""Classes whose reconstructions an explanation has."""


class RecognitionModel(PythonModel):
    """Recognises the class of images that are base64 texts, or data: URLs, of image files.

    `predict` is for clients of MLflow; hpoe calls the other methods. They take and return plain
    values, and hpoe must be able to call those of every version of the same contract.
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
        read = [self._read_or_why(text) for text in texts]
        images = [image for image in read if not isinstance(image, str)]
        found = iter(self.recogniser.answer(np.stack(images)) if images else [])
        return [{"error": each} if isinstance(each, str) else asdict(next(found)) for each in read]

    def explain(self, text: object) -> dict[str, Any]:
        """Return the answer to one image, the models' input, and its most likely reconstructions.

        For a text that is not an image, `error` with one sentence.
        """
        image = self._read_or_why(text)
        if isinstance(image, str):
            return {"error": image}
        (answer,) = self.recogniser.answer(image[None])
        system = self.recogniser.system
        p = np.array([*answer.probabilities.values()])
        likely = sorted(np.argsort(-p, kind="stable")[:MOST_RECONSTRUCTIONS].tolist())
        pictures = system.reconstructions(image, likely)
        return {
            **asdict(answer),
            "threshold": float(self.recogniser.known_score.threshold),
            "seen": data_url(system.network_input(image[None])[0]),
            "reconstructions": {
                system.labels[position]: data_url(picture)
                for position, picture in zip(likely, pictures, strict=True)
            },
        }

    def classes(self, _: None = None) -> dict[str, Any]:
        """Return the classes in their order, each with an example, and the images' format."""
        system = self.recogniser.system
        return {
            "contract": CONTRACT,
            "classes": [
                {"label": label, "example": data_url(example)}
                for label, example in zip(system.labels, self.recogniser.examples, strict=True)
            ],
            "image_size": [system.format.rows, system.format.columns],
            "preparation": system.format.preparation,
        }

    def validation_labels(self, texts: Sequence[str]) -> list[str]:
        """Return the labels recognised by the net that was fitted without validation images."""
        system = self.recogniser.system
        images = np.stack([self._read(text) for text in texts])
        return system.recognise(system.validation_net, images)

    def _read(self, text: object) -> NDArray[np.uint8]:
        """Decode an image and bring it to the system's format; raises ImageError."""
        return read_image(text, self.limits, self.recogniser.system.format)

    def _read_or_why(self, text: object) -> NDArray[np.uint8] | str:
        """Read an image, or return a sentence that says why it is not one."""
        try:
            return self._read(text)
        except ImageError as error:
            return str(error)


def data_url(image: NDArray[np.uint8]) -> str:
    """Encode a grey image [rows, columns] as the URL of a PNG."""
    return f"data:image/png;base64,{base64_png(image)}"


set_model(RecognitionModel())
