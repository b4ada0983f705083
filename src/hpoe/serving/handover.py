"""Hand a checked request to MLflow's application, and its answer back."""

import json
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from hpoe.errors import RequestError
from hpoe.serving.requests import JSON
from hpoe.serving.watched import FAULT, Outcome, outcome_of_request

SENTENCES = {504: "the answer took too long: send fewer records a request"}


async def score(scoring: ASGIApp, request: Request, images: Sequence[str]) -> Response:
    """MLflow's answers to the images, whatever the form in which they came.

    They are handed on as one form: under `inputs` and `instances` MLflow makes an array of texts of
    equal width, so that one long text beside many short ones would fill the memory.

    Raises:
        RequestError: the model refused, or there was no answer.
    """
    outcome = Outcome()
    token = outcome_of_request.set(outcome)
    try:
        response = await _call(scoring, request, _table(images))
    finally:
        outcome_of_request.reset(token)
    if response.status_code == 200:
        return response
    status = response.status_code
    raise outcome.refusal or RequestError(status, SENTENCES.get(status, FAULT))


def _table(images: Sequence[str]) -> bytes:
    rows = [[image] for image in images]
    return json.dumps({"dataframe_split": {"columns": ["image"], "data": rows}}).encode()


async def _call(application: ASGIApp, request: Request, body: bytes) -> Response:
    """An application's response to a request with another body."""
    scope = {**request.scope, "headers": [(b"content-type", JSON.encode())]}
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    response, content = Response(), bytearray()

    async def receive() -> Message:
        return messages.pop() if messages else await request.receive()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code = message["status"]
            response.media_type = MutableHeaders(raw=list(message["headers"])).get("content-type")
        content.extend(message.get("body", b""))

    await application(scope, receive, send)
    return Response(bytes(content), response.status_code, media_type=response.media_type)
