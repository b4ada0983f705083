"""The ASGI application of `hpoe serve`: MLflow's scoring application, and what it lacks around it.

/invocations, /ping, /health and /version are MLflow's; a request to the first is read and checked
before MLflow sees it. The page at /, /explain behind it, and /metrics are hpoe's.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits

from hpoe.errors import RequestError
from hpoe.serving.handover import score
from hpoe.serving.metrics import Metrics
from hpoe.serving.middleware import AccessLog, SecureHeaders
from hpoe.serving.replies import error_reply
from hpoe.serving.requests import image_in, images_in
from hpoe.serving.watched import Model, WatchedModel
from hpoe.settings import Settings

PAGE = Path(__file__).parent / "page"
UNCHANGED = ("/ping", "/health", "/version")
"""MLflow's routes that are passed on as they are."""
FAULT = "the server failed: the fault is the server's, not the request's"


def make_app(model: Model, version: str, settings: Settings) -> ASGIApp:
    """The application that serves a loaded model, registered under a version."""
    from mlflow.pyfunc import scoring_server

    metrics = Metrics(version)
    watched = WatchedModel(model, metrics)
    scoring: ASGIApp = scoring_server.init(watched)  # type: ignore[arg-type] # it does as one
    page = StaticFiles(directory=PAGE, html=True)
    handlers = _Handlers(watched, scoring, metrics, settings)
    routes = [
        *(Route(path, scoring, methods=["GET"]) for path in UNCHANGED),
        Route("/invocations", handlers.invocations, methods=["POST"]),
        Route("/explain", handlers.explain, methods=["POST"]),
        Route("/metrics", handlers.metrics_page, methods=["GET"]),
        *(Route(path, page, methods=["GET"]) for path in ("/", *_files(PAGE))),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            RequestError: _refused,
            HTTPException: _not_routed,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
        lifespan=lambda _: _prediction_threads(settings.serve_threads),
    )
    return AccessLog(SecureHeaders(app), metrics)


@dataclass(frozen=True)
class _Handlers:
    """What hpoe answers itself, or checks before MLflow answers."""

    model: WatchedModel
    scoring: ASGIApp
    metrics: Metrics
    settings: Settings

    async def invocations(self, request: Request) -> Response:
        """The answers to a table of images, as MLflow gives them."""
        images = images_in(
            await self._body(request),
            request.headers.get("content-type"),
            self.settings.serve_max_records,
        )
        request.state.records = len(images)
        return await score(self.scoring, request, images)

    async def explain(self, request: Request) -> Response:
        """All that the model says of one image, for the page."""
        image = image_in(await self._body(request), request.headers.get("content-type"))
        return JSONResponse(await asyncio.to_thread(self.model.explain, image))

    async def metrics_page(self, _: Request) -> Response:
        """What Prometheus reads."""
        return Response(self.metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _body(self, request: Request) -> bytearray:
        """The body; at most a limit of it is ever held, whatever its headers say."""
        limit = self.settings.serve_max_body_bytes
        too_large = RequestError(413, f"the body is too large: send at most {limit} bytes")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "the body is compressed: send it without Content-Encoding")
        if int(request.headers.get("content-length", 0)) > limit:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            if len(body) + len(chunk) > limit:
                raise too_large
            body += chunk
        return body


def _files(folder: Path) -> list[str]:
    return [f"/{file.name}" for file in sorted(folder.iterdir())]


@asynccontextmanager
async def _prediction_threads(count: int) -> AsyncIterator[None]:
    """Predict in as many threads as there are cores, each with one thread for its products.

    Otherwise the threads of MLflow's pool and those of the products multiply.
    """
    with ThreadPoolExecutor(count, "prediction", _one_thread) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        yield


def _one_thread() -> None:
    threadpool_limits(limits=1)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)  # noqa: S101 - registered for it alone
    return error_reply(error.status, str(error))


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    sentences = {404: "there is nothing at this path: see / for the page, POST to /invocations"}
    if error.status_code == 405:
        sentences[405] = f"this path does not take {request.method}"
    message = sentences.get(error.status_code, error.detail)
    return error_reply(error.status_code, message, error.headers)


async def _gone(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return error_reply(400, "the connection closed before the body was complete")


async def _failed(_: Request, error: Exception) -> Response:  # noqa: ARG001
    return error_reply(500, FAULT)
