"""The ASGI application of `hpoe serve`.

/invocations, /ping, /health and /version keep the contract of MLflow's scoring server; /classes,
the page at /, /explain behind it, and /metrics are hpoe's own.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from hpoe.errors import HpoeError, RequestError
from hpoe.serving.metrics import Metrics
from hpoe.serving.middleware import Middleware
from hpoe.serving.requests import JSON, image_in, images_in, read_body
from hpoe.serving.versions import Versions
from hpoe.settings import Settings

logger = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "page"
SECONDS_TO_ANSWER = 60
"""Timeout of a request, the same as in MLflow's scoring server."""
IMAGES_PER_CALL = range(10, 101)
"""Smaller calls cost overhead, larger ones are shared less evenly among the workers."""
ENCODED_AT_ONCE = 10_000
"""Probabilities, whose JSON takes some milliseconds, in which no other request is served."""
RETRY_AFTER = {"Retry-After": "5"}
MODEL_FAULT = "the model failed: the fault is the server's, not the request's"
SERVER_FAULT = "the server failed: the fault is the server's, not the request's"


def make_app(versions: Versions, settings: Settings) -> ASGIApp:
    """The application that answers with whichever version is served."""
    metrics = Metrics()
    page = StaticFiles(directory=PAGE, html=True)
    handlers = _Handlers(versions, metrics, settings)
    app = Starlette(
        routes=[
            Route("/invocations", handlers.invocations, methods=["POST"]),
            Route("/explain", handlers.explain, methods=["POST"]),
            Route("/classes", handlers.classes, methods=["GET"]),
            Route("/ping", handlers.ping, methods=["GET"]),
            Route("/health", handlers.ping, methods=["GET"]),
            Route("/version", handlers.mlflow_version, methods=["GET"]),
            Route("/metrics", handlers.metrics_page, methods=["GET"]),
            *(Route(path, page, methods=["GET"]) for path in ("/", *_files(PAGE))),
        ],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _not_routed,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    return Middleware(app, metrics)


@dataclass(frozen=True)
class _Handlers:
    """One method per route."""

    versions: Versions
    metrics: Metrics
    settings: Settings

    async def invocations(self, request: Request) -> Response:
        """One answer per image of a table."""
        images = images_in(
            await read_body(request, self.settings.serve_max_body_bytes),
            request.headers.get("content-type"),
            self.settings.serve_max_records,
        )
        request.state.records = len(images)
        version, parts = await self._ask("answers", _parts(images, self.settings.serve_workers))
        answers = [answer for part in parts for answer in part]
        for number, answer in enumerate(answers):
            if "error" in answer:
                raise RequestError(400, f"record {number}: {answer['error']}")
        self.metrics.count_answers(version, answers)
        return Response(await predictions(answers), media_type=JSON)

    async def explain(self, request: Request) -> Response:
        """Explain the answer to one image, for the page."""
        image = image_in(
            await read_body(request, self.settings.serve_max_body_bytes),
            request.headers.get("content-type"),
        )
        _, (explanation,) = await self._ask("explain", [image])
        if "error" in explanation:
            raise RequestError(400, explanation["error"])
        return JSONResponse(explanation)

    async def classes(self, request: Request) -> Response:  # noqa: ARG002
        """The classes that the version knows, each with an example, and the images' format."""
        _, (classes,) = await self._ask("classes", [None])
        return JSONResponse(classes)

    async def ping(self, _: Request) -> Response:
        """Whether requests are answered."""
        self.versions.need_served()
        return Response("\n", media_type=JSON)

    async def mlflow_version(self, _: Request) -> Response:
        """The version of MLflow, as its scoring server tells it."""
        from mlflow.version import VERSION

        return PlainTextResponse(VERSION)

    async def metrics_page(self, _: Request) -> Response:
        """What Prometheus reads."""
        return Response(self.metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _ask(self, method: str, arguments: Sequence[Any]) -> tuple[int, list[Any]]:
        """The number of the version that was asked, and its results."""
        version, futures = self.versions.submit(method, arguments)
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                return version, await asyncio.gather(*map(asyncio.wrap_future, futures))
        except TimeoutError:
            sentence = "the answer took too long: send fewer records per request"
            raise RequestError(504, sentence) from None
        except HpoeError as error:
            logger.error("the model failed", exc_info=error)
            raise RequestError(500, MODEL_FAULT) from error


async def predictions(answers: Sequence[Mapping[str, Any]]) -> str:
    """The JSON of answers; where there are many classes, others get a turn meanwhile."""
    at_once = max(1, ENCODED_AT_ONCE // len(answers[0]["probabilities"]))
    parts = []
    for first in range(0, len(answers), at_once):
        parts.append(json.dumps(answers[first : first + at_once])[1:-1])
        await asyncio.sleep(0)
    return f'{{"predictions": [{", ".join(parts)}]}}'


def _parts(images: list[str], workers: int) -> list[list[str]]:
    """The images shared out among the workers."""
    even = -(-len(images) // workers)
    size = min(max(even, IMAGES_PER_CALL.start), IMAGES_PER_CALL[-1])
    return [images[at : at + size] for at in range(0, len(images), size)]


def _files(folder: Path) -> list[str]:
    return [f"/{file.name}" for file in sorted(folder.iterdir())]


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A reply to a failed request; codes are named as in MLflow, such as BAD_REQUEST for 400."""
    content = {"error_code": HTTPStatus(status).name, "message": message}
    return JSONResponse(content, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - registered for it alone
    return _error(error.status, str(error), RETRY_AFTER if error.status == 503 else None)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    sentences = {
        404: "there is nothing at this path: see / for the page, POST to /invocations",
        405: f"this path does not take {request.method}",
    }
    message = sentences.get(error.status_code, error.detail)
    return _error(error.status_code, message, error.headers)


async def _gone(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return _error(400, "the connection closed before the body was complete")


async def _failed(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return _error(500, SERVER_FAULT)
