"""Errors as they are answered: a code and one sentence in JSON, nothing of the request."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse


def error_reply(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer to a request that failed; codes are named as MLflow does, 400 BAD_REQUEST."""
    code = HTTPStatus(status).name
    return JSONResponse({"error_code": code, "message": message}, status, headers)
