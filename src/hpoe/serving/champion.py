"""The registered model that is served: found once, copied, and then independent of the registry."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpoe.errors import ServingError
from hpoe.registration.registry import CHAMPION, NAME
from hpoe.settings import Settings
from hpoe.tracking.mlflow_errors import ask_health, first_line
from hpoe.tracking.store import STORE, check_address, quieten_mlflow, tracking_uri


@dataclass(frozen=True)
class Champion:
    """A version of the model, and the folder that holds a copy of it."""

    version: str
    folder: Path


def find_champion(configured_uri: str) -> str:
    """The champion's version.

    Raises:
        ServingError: the registry has no champion, or refuses to say.
        TrackingError: the registry cannot be used, or does not answer.
    """
    uri = tracking_uri(configured_uri)
    check_address(configured_uri)
    if not configured_uri and not (STORE / "mlflow.db").exists():
        raise _no_champion(uri)
    ask_health(uri)
    quieten_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return str(MlflowClient(uri, uri).get_model_version_by_alias(NAME, CHAMPION).version)
    except MlflowException as error:
        status = error.get_http_status_code()
        if status in (400, 404):
            raise _no_champion(uri) from None
        if status == 403:  # with logins, MLflow does not tell the two apart
            raise ServingError(
                f"{NAME} cannot be fetched from {uri}: it has no model {NAME} with the alias "
                f"{CHAMPION}, or does not let this login see it"
            ) from None
        raise _cannot_fetch(uri, error) from None


def fetch_champion(configured_uri: str, folder: Path) -> Champion:
    """Copy the champion from the registry into a folder.

    All workers serve this copy, also those that start after another version was promoted.

    Raises:
        ServingError: the registry has no champion, or the copy failed.
        TrackingError: the registry cannot be used, or does not answer.
    """
    version = find_champion(configured_uri)
    uri = tracking_uri(configured_uri)
    from mlflow import set_registry_uri, set_tracking_uri
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    set_tracking_uri(uri)
    set_registry_uri(uri)
    try:
        copy = download_artifacts(f"models:/{NAME}/{version}", dst_path=str(folder))
    except (MlflowException, OSError) as error:
        raise _cannot_fetch(uri, error) from None
    return Champion(version, Path(copy))


def served(champion: Champion, settings: Settings) -> str:
    """What is served, and where, for the terminal."""
    address = f"http://{settings.serve_host}:{settings.serve_port}"
    return f"{NAME} version {champion.version} is served at {address}"


def load_champion(champion: Champion, max_pixels: int, threads: int) -> Any:  # noqa: ANN401
    """The model as an MLflow pyfunc that refuses larger images and shares many among threads.

    Raises:
        ServingError: it cannot be loaded.
    """
    quieten_mlflow()
    from mlflow import pyfunc

    try:
        config = {"max_pixels": max_pixels, "threads": threads}
        return pyfunc.load_model(str(champion.folder), model_config=config)
    except Exception as error:
        raise ServingError(
            f"{NAME} version {champion.version} cannot be loaded "
            f"({type(error).__name__}: {first_line(error)}): `hpoe rollback` goes back to the "
            "version before it"
        ) from error


def _no_champion(uri: str) -> ServingError:
    return ServingError(
        f"{uri} has no model {NAME} with the alias {CHAMPION}: `make repro` trains and registers "
        "one"
    )


def _cannot_fetch(uri: str, error: Exception) -> ServingError:
    return ServingError(f"{NAME} cannot be fetched from {uri} ({first_line(error)})")
