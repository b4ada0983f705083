"""What a failure of MLflow's means: a server that is down for now, or a login that is refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from hpoe.errors import TrackingError, UnreachableError

SECONDS_TO_ANSWER = 5


def ask_health(uri: str) -> None:
    """Ask a server whether it is there; a database is not asked.

    Raises:
        UnreachableError: it does not answer, or whatever stands before it says that it does not.
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
def explained(uri: str) -> Iterator[None]:
    """Tell failures of a store in a sentence, where they are not hpoe's own.

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
    """Whether the same request may succeed later: no answer, or one that says so."""
    status = _status(error)
    return status == 429 or status >= 500


def outage(uri: str) -> UnreachableError:
    """The server, or what it depends on, is down for now."""
    return UnreachableError(f"the tracking server {uri} fails: its log says why")


def first_line(error: Exception) -> str:
    """What an error says, for the brackets of a sentence."""
    return str(error).strip().partition("\n")[0][:200]


def _status(error: Exception) -> int:
    """The status of an answer; 503 where there was none."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())
    response = getattr(error, "response", None)
    return 503 if response is None else int(response.status_code)


def _refused_login(uri: str, status: int) -> str:
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if status == 403:
        return (
            f"the tracking server {uri} does not let this user do that: log in as one who may "
            "change runs and models (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD)"
        )
    given = f"the login of {name}" if name else "requests without a login"
    return (
        f"the tracking server {uri} refuses {given}: set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD to those of a user there"
    )
