"""The model as MLflow's application sees it: answers are counted, and refusals kept as sentences.

MLflow repeats the whole input in its error replies and turns every failure into the same 400. The
request that asked learns here what the model said.
"""

import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from hpoe.errors import HpoeError, RequestError
from hpoe.serving.metrics import Metrics

logger = logging.getLogger(__name__)
FAULT = "the model failed: the fault is the server's, not the request's"


class Explainer(Protocol):
    """The Python object within the model."""

    def explain(self, text: str) -> dict[str, Any]:
        """All that can be said of an image, for the page."""


class Model(Protocol):
    """An MLflow pyfunc."""

    metadata: Any

    def predict(self, data: Any) -> Any:  # noqa: ANN401
        """The answers to a table."""

    def unwrap_python_model(self) -> Explainer:
        """The Python object within."""


@dataclass
class Outcome:
    """What became of a request's prediction."""

    refusal: RequestError | None = None


outcome_of_request: ContextVar[Outcome] = ContextVar("outcome_of_request")


class WatchedModel:
    """A model whose answers are counted and whose refusals reach the request that asked."""

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self.metadata = model.metadata
        self._model = model
        self._metrics = metrics

    def predict(self, data: Any) -> Any:  # noqa: ANN401
        """The model's answers."""
        try:
            answers = self._model.predict(data)
            self._metrics.count_answers(_records(answers))
        except Exception as error:
            outcome_of_request.get().refusal = refusal_of(error)
            raise
        return answers

    def explain(self, text: str) -> dict[str, Any]:
        """What the model says of one image.

        Raises:
            RequestError: the text is no image, or the model failed.
        """
        try:
            return self._model.unwrap_python_model().explain(text)
        except Exception as error:
            raise refusal_of(error) from error


def refusal_of(error: Exception) -> RequestError:
    """What the client is told: the model's own sentence, or that it failed."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, HpoeError):
        return RequestError(400, _first_line(error))
    if isinstance(error, MlflowException) and error.get_http_status_code() < 500:
        return RequestError(error.get_http_status_code(), _first_line(error))
    logger.error("the model failed", exc_info=error)
    return RequestError(500, FAULT)


def _records(answers: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401
    """Answers as MLflow writes them: a table's rows, or the list itself."""
    records: Sequence[Mapping[str, Any]] = (
        answers.to_dict("records") if hasattr(answers, "to_dict") else answers
    )
    return records


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
