"""A model from code that answers as the real one does, from a checksum instead of an image.

Its answers depend on the text alone, so that a test can tell a wrong one, and cost next to nothing,
but for the milliseconds that a text may ask for. It is also the floor of benchmarks/serving.py.
"""

import base64
import binascii
import os
import signal
import time
import zlib
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

LENGTH = 14
"""Bytes of what the tests send for an image, the last two of which ask for milliseconds."""
DEADLY = 2**16 - 1
"""So many milliseconds end the process."""
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
LABELS = (
    *(
        "0",
        "2",
        "10",
        "heart",
        "<script>alert(1)</script>",
        "\u05e9\u05dc\u05d5\u05dd",
        "\U0001f642",
    ),
    *('a "b", \\c\nd', "\u00e9" * 32, "__proto__"),
)
"""Text of any kind, the last but one of 64 bytes in UTF-8."""


class StandIn(PythonModel):
    """Answers each record from the checksum of its text."""

    max_pixels = 0

    def load_context(self, context: PythonModelContext) -> None:
        """Take the server's limit."""
        self.max_pixels = context.model_config["max_pixels"]

    def predict(  # type: ignore[override] # it takes no params
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
    ) -> list[Any]:
        """What MLflow's own server answers."""
        return self.answers(model_input["image"].tolist())

    def answers(self, texts: list[str]) -> list[dict[str, Any]]:
        """One answer per text."""
        return [answer(text) for text in texts]

    def explain(self, text: str) -> dict[str, Any]:
        """What the page shows."""
        return {**answer(text), "max_pixels": self.max_pixels}

    def classes(self, _: None) -> dict[str, Any]:
        """What the server lists."""
        return classes()


def answer(text: str) -> dict[str, Any]:
    """The answer to a text, or an error if it is not base64 of what begins as an image does."""
    try:
        content = base64.b64decode(text.rpartition(",")[2], validate=True)
    except binascii.Error:
        return {"error": "`image` is not base64"}
    if not content.startswith(MAGIC):
        return {"error": "`image` is no image file"}
    if len(content) == LENGTH:
        milliseconds = int.from_bytes(content[-2:], "big")
        if milliseconds == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(milliseconds / 1000)
    checksum = zlib.crc32(text.encode())
    label = LABELS[checksum % len(LABELS)]
    return {
        "label": label,
        "probability": 0.91,
        "probabilities": {each: 0.91 if each == label else 0.01 for each in LABELS},
        "typicality": float(checksum % 101),
        "is_known": checksum % 4 != 0,
        "known_score": checksum % 1000 / 100 - 5,
    }


def classes() -> dict[str, Any]:
    """The labels, each with the URL of a picture that shows nothing."""
    return {
        "contract": 2,
        "classes": [{"label": label, "example": "data:image/png;base64,"} for label in LABELS],
        "image_size": [28, 28],
        "preparation": "ink",
    }


set_model(StandIn())
