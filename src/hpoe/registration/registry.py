"""The registered model of a project: packaging versions, and moving the champion alias."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import numpy as np
import pandas as pd

import hpoe_recognition
from hpoe.errors import RegistryError
from hpoe.tensors import load_tensors, save_tensors
from hpoe.tracking.mlflow_errors import first_line, translate_errors
from hpoe.tracking.sqlite import database_file
from hpoe.tracking.store import connect, project_name, tracking_uri
from hpoe_recognition.answer import CONTRACT, Answer
from hpoe_recognition.images import Limits
from hpoe_recognition.recogniser import Recogniser

CHAMPION, CANDIDATE = "champion", "candidate"
HISTORY = "champions"
"""Tag of the registered model: a JSON list of its champions so far, oldest first."""
EXECUTION = "execution"
"""Tag of a version: the execution of the pipeline that made it."""
WEIGHTS = "weights.safetensors"
REQUIREMENTS = ("mlflow-skinny", "numpy", "pandas", "pillow", "safetensors")
"""Of a package, in the installed versions; it needs only the skinny part of mlflow."""
VALIDATION = "validation/"
"""How the names of the arrays begin that hold the predictions on the validation images."""
Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Version:
    """A version of the registered model, for the table of `hpoe models`."""

    number: int
    aliases: list[str]
    tags: dict[str, str]
    created: int
    """Milliseconds since 1970."""


def _translated(method: Method) -> Method:
    """Translate MLflow's errors within a method of `Registry` to one sentence."""

    @wraps(method)
    def translating(registry: "Registry", /, *args: object, **kwargs: object) -> object:
        with translate_errors(registry.uri):
            return method(registry, *args, **kwargs)

    return cast(Method, translating)


class Registry:
    """The versions of one registered model in MLflow's registry."""

    def __init__(self, configured_uri: str, name: str | None = None) -> None:
        """Connect to the registry of a tracking store that exists; none is created.

        Args:
            configured_uri: of the store; empty for the embedded one.
            name: of the model; by default that of the project in this folder.

        Raises:
            UnreachableError: the server does not answer.
            TrackingError: the store cannot be used, or the login is refused.
            RegistryError: there is no such store yet.
        """
        self.uri, self.name = tracking_uri(configured_uri), name or project_name()
        database = database_file(self.uri)
        if database is not None and not database.exists():
            raise _no_champion(self.uri, self.name)
        self._client = connect(configured_uri)
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)

    @_translated
    def add(
        self,
        run_id: str,
        recogniser: Recogniser,
        validation: pd.DataFrame,
        example: str,
        tags: dict[str, str],
    ) -> int:
        """Package a system, log it to a run and register it as the candidate; return its version.

        Args:
            run_id: of the run that made it.
            recogniser: the system.
            validation: its predictions on the validation images: image, label, prediction.
            example: a real image as base64, for the input example.
            tags: shown in the table of versions, or linking the version to its run.
        """
        import mlflow

        with tempfile.TemporaryDirectory() as scratch, mlflow.start_run(run_id=run_id):
            weights, code = Path(scratch) / WEIGHTS, Path(hpoe_recognition.__file__).parent
            _save(weights, recogniser, validation)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(code / "pyfunc.py"),
                artifacts={"weights": str(weights)},
                code_paths=[str(code)],
                model_config={"max_pixels": Limits().most_pixels},
                metadata={"contract": CONTRACT},
                signature=_signature(),
                input_example=pd.DataFrame({"image": [example]}),
                pip_requirements=[
                    f"{name}=={installed(name.removesuffix('-skinny'))}" for name in REQUIREMENTS
                ],
                registered_model_name=self.name,
            )
        number = int(info.registered_model_version)
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, str(number), key, value)
        self._client.set_registered_model_alias(self.name, CANDIDATE, str(number))
        return number

    @_translated
    def withdraw(self, version: int) -> None:
        """Remove a version that turned out to be unusable right after it was added."""
        self._client.delete_model_version(self.name, str(version))

    @_translated
    def need_champion(self) -> int:
        """Return the champion's version.

        Raises:
            RegistryError: there is none, or the registry does not show it to this login.
        """
        from mlflow.exceptions import MlflowException

        try:
            return int(self._client.get_model_version_by_alias(self.name, CHAMPION).version)
        except MlflowException as error:
            status = error.get_http_status_code()
            if status in (400, 404):
                raise _no_champion(self.uri, self.name) from None
            if status == 403:  # with logins, MLflow gives the same answer in both cases
                raise RegistryError(
                    f"{self.name} cannot be fetched from {self.uri}: it has no model {self.name} "
                    f"with the alias {CHAMPION}, or does not let this login see it"
                ) from None
            raise

    @_translated
    def fetch(self, version: int, folder: Path) -> Path:
        """Copy the package of a version into a folder, and return the path of the copy.

        Raises:
            RegistryError: it cannot be copied.
        """
        return self._download(version, "", folder)

    @_translated
    def validation(self, version: int) -> pd.DataFrame | None:
        """Read a version's predictions on its validation images: image, label, prediction.

        None for a version that an earlier hpoe packaged, which this one cannot serve.

        Raises:
            RegistryError: they cannot be copied.
        """
        with tempfile.TemporaryDirectory() as scratch:
            path = self._download(version, f"/artifacts/{WEIGHTS}", Path(scratch))
            return read_validation(path)

    @_translated
    def champion(self) -> int | None:
        """Return the champion's version, or None before the first."""
        return self._aliases().get(CHAMPION)

    @_translated
    def promote(self, version: int) -> None:
        """Make a version the champion.

        Raises:
            RegistryError: there is no such version.
        """
        self._check(version)
        history, served = self._history(), self.champion()
        if served is not None and history[-1:] != [served]:  # somebody moved the alias
            history.append(served)
        if served != version:
            history.append(version)
        self._client.set_registered_model_alias(self.name, CHAMPION, str(version))
        self._remember(history)

    @_translated
    def rollback(self) -> int:
        """Make the champion before the present one the champion again, and return its version.

        What the alias says now decides, whoever moved it. Versions that were deleted are skipped.

        Raises:
            RegistryError: there was none before, or none of them exists any more.
        """
        history, served = self._history(), self.champion()
        known = {each.number for each in self.versions()} - {served}
        while served in history and history.pop() != served:
            pass
        while history and history[-1] not in known:
            history.pop()
        if not history:
            raise RegistryError(f"{self.name} has no previous champion to restore")
        self._client.set_registered_model_alias(self.name, CHAMPION, str(history[-1]))
        self._remember(history)
        return history[-1]

    @_translated
    def has_version_of(self, execution: str) -> bool:
        """Whether an execution of the pipeline has a version."""
        versions = self._client.search_model_versions(f"name='{self.name}'")
        return any(each.tags.get(EXECUTION) == execution for each in versions)

    @_translated
    def versions(self) -> list[Version]:
        """Return all versions, newest first."""
        by_alias = self._aliases()
        versions = [
            Version(
                number=int(each.version),
                aliases=[a for a, number in by_alias.items() if number == int(each.version)],
                tags=dict(each.tags),
                created=int(each.creation_timestamp),
            )
            for each in self._client.search_model_versions(f"name='{self.name}'")
        ]
        return sorted(versions, key=lambda version: -version.number)

    def _download(self, version: int, path: str, folder: Path) -> Path:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            return Path(
                download_artifacts(f"models:/{self.name}/{version}{path}", dst_path=str(folder))
            )
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"{self.name} version {version} cannot be fetched from {self.uri} "
                f"({first_line(error)})"
            ) from None

    def _registered(self) -> Any:  # noqa: ANN401 - MLflow's entity
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise RegistryError(
                f"{self.uri} has no registered model {self.name}: `dvc repro` trains and registers "
                "it, `hpoe sync` registers what is trained already"
            ) from None

    def _aliases(self) -> dict[str, int]:
        return {alias: int(number) for alias, number in self._registered().aliases.items()}

    def _history(self) -> list[int]:
        return champions(self._registered().tags)

    def _remember(self, history: Sequence[int]) -> None:
        self._client.set_registered_model_tag(self.name, HISTORY, json.dumps(list(history)))

    def _check(self, version: int) -> None:
        known = sorted(each.number for each in self.versions())
        if version not in known:
            raise RegistryError(
                f"{self.name} has no version {version}: it has {', '.join(map(str, known))}"
            )


def champions(tags: Mapping[str, str]) -> list[int]:
    """The registered model's champions so far, oldest first; none where somebody edited the tag."""
    try:
        return [int(number) for number in json.loads(tags.get(HISTORY, "[]"))]
    except (ValueError, TypeError):
        return []


def _no_champion(uri: str, name: str) -> RegistryError:
    return RegistryError(
        f"{uri} has no model {name} with the alias {CHAMPION}: `dvc repro` trains and registers "
        "one, `hpoe sync` registers what is trained already, `hpoe promote VERSION` chooses among "
        "those registered"
    )


def _save(path: Path, recogniser: Recogniser, validation: pd.DataFrame) -> None:
    arrays, record = recogniser.contents()
    arrays[VALIDATION + "image"] = validation["image"].to_numpy(np.int64)
    for name in ("label", "prediction"):
        codes = pd.Categorical(validation[name], recogniser.system.labels).codes
        arrays[VALIDATION + name] = codes.astype(np.int64)
    save_tensors(path, arrays, record)


def read_validation(weights: Path) -> pd.DataFrame | None:
    """Read predictions on validation images from a version's weights: image, label, prediction.

    None for a version of the first contract, which kept no image's digest.
    """
    arrays, record = load_tensors(weights, "register that version again")
    if VALIDATION + "image" not in arrays:
        return None
    labels = np.array(record["labels"])
    columns = {name: labels[arrays[VALIDATION + name]] for name in ("label", "prediction")}
    return pd.DataFrame({"image": arrays[VALIDATION + "image"], **columns})


def _signature() -> Any:  # noqa: ANN401 - MLflow's entity
    """Return the columns of a request and of an answer."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, DataType, Map, Schema

    types: dict[object, DataType | Map] = {
        str: DataType.string,
        float: DataType.double,
        bool: DataType.boolean,
        dict[str, float]: Map(DataType.double),
    }
    answer = Schema([ColSpec(types[kind], name) for name, kind in get_type_hints(Answer).items()])
    return ModelSignature(Schema([ColSpec(DataType.string, "image")]), answer)
