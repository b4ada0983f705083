"""Errors of MLflow, translated: a server that is down, a login that is refused, an old schema."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from hpoe.errors import HpoeError, TrackingError, UnreachableError

SECONDS_TO_ANSWER = 5


def ask_health(uri: str) -> None:
    """Check that a server is up; a database is not checked.

    MLflow's own function asks, which reads all of MLflow's variables: certificates, logins.

    Raises:
        UnreachableError: it does not answer, or a gateway says that it does not.
        TrackingError: its certificate is not trusted.
    """
    if not uri.startswith("http"):
        return
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    once = {"timeout": SECONDS_TO_ANSWER, "max_retries": 0, "raise_on_status": False}
    try:
        status = http_request(get_default_host_creds(uri), "/health", "GET", **once).status_code
    except MlflowException as error:
        if isinstance(error.__context__, requests.exceptions.SSLError):
            raise TrackingError(
                f"the certificate of the tracking server {uri} is not trusted: set "
                "MLFLOW_TRACKING_SERVER_CERT_PATH to that of its authority"
            ) from None
        status = 503
    if status >= 500:
        raise UnreachableError(f"the tracking server {uri} does not answer")


@contextmanager
def translate_errors(uri: str) -> Iterator[None]:
    """Report failures of a store in one sentence.

    Raises:
        UnreachableError: the server did not answer, or failed.
        TrackingError: it refuses the login, or what the login may do, or cannot be used.
    """
    try:
        yield
    except HpoeError:
        raise
    except failures() as error:
        raise failure(uri, error) from None


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises where a store fails, by itself or from the libraries that it uses."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError  # requests' exceptions are OSErrors


def failure(uri: str, error: Exception) -> TrackingError:
    """The sentence for a failure."""
    if uri.startswith("http") and is_outage(error):
        return UnreachableError(f"the tracking server {uri} failed; its log says why")
    if uri.startswith("http") and _status(error) in (401, 403):
        return TrackingError(_refused_login(uri, _status(error)))
    if "mlflow db upgrade" in str(error):
        return TrackingError(
            f"the tracking store {uri} has the tables of another version of MLflow: back it up, "
            'then run `mlflow db upgrade "$MLFLOW_TRACKING_URI"`'
        )
    return TrackingError(f"the tracking store {uri} failed ({first_line(error)})")


def is_outage(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    status = _status(error)
    return status == 429 or status >= 500


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
