"""Middleware: access log, request metrics and security headers."""

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hpoe.serving.metrics import Metrics

logger = logging.getLogger(__name__)
PATHS = ("/", "/invocations", "/explain", "/classes", "/ping", "/health", "/version", "/metrics")
"""Paths with metrics of their own; all others share one label, so that labels are bounded."""
PATH_LENGTH = 200
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Security headers: the browser loads and runs only the page's own resources."""


class Middleware:
    """Logs and counts each request, without its body, query and headers, and adds HEADERS."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count just before the last byte is sent: its receiver sees it counted."""
        start, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            elif not message.get("more_body", False):
                self._report(scope, status, time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, watched)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        self._metrics.count_request(path if path in PATHS else "other", status, seconds)
        line = {
            "client": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": path[:PATH_LENGTH],
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        }
        if "records" in (state := scope.get("state", {})):
            line["records"] = state["records"]
        logger.info("request", extra={"fields": line})
