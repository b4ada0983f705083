"""Errors of MLflow, translated: a server that is down for now, or a login that is refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from hpoe.errors import TrackingError, UnreachableError

SECONDS_TO_ANSWER = 5


def ask_health(uri: str) -> None:
    """Check that a server is up; a database is not checked.

    Raises:
        UnreachableError: it does not answer, or a gateway says that it does not.
    """
    if not uri.startswith("http"):
        return
    try:
        status = requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER).status_code
    except requests.RequestException:
        status = 503
    if status >= 500:
        raise UnreachableError(f"the tracking server {uri} does not answer")


@contextmanager
def translate_errors(uri: str) -> Iterator[None]:
    """Report failures of a store in one sentence, unless they are hpoe's own.

    Raises:
        UnreachableError: the server did not answer, or failed.
        TrackingError: it refuses the login, or what the login may do.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        if not uri.startswith("http"):
            raise
        if is_outage(error):
            raise outage(uri) from None
        if _status(error) in (401, 403):
            raise TrackingError(_refused_login(uri, _status(error))) from None
        raise


def is_outage(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    status = _status(error)
    return status == 429 or status >= 500


def outage(uri: str) -> UnreachableError:
    """The error of a server that is down for now, or whose database is."""
    return UnreachableError(f"the tracking server {uri} failed; its log says why")


def first_line(error: Exception) -> str:
    """The first line of an error's message, to quote in another."""
    return str(error).strip().partition("\n")[0][:200]


def _status(error: Exception) -> int:
    """The HTTP status of a response; 503 if there was none."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())
    response = getattr(error, "response", None)
    return 503 if response is None else int(response.status_code)


def _refused_login(uri: str, status: int) -> str:
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if status == 403:
        return (
            f"the tracking server {uri} denies this user access: log in as a user who may "
            "change runs and models (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD)"
        )
    given = f"the login of {name}" if name else "requests without a login"
    return (
        f"the tracking server {uri} refuses {given}: set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD to those of a user there"
    )
