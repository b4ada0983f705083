"""The registered model `hpoe-digits`: packaging it, judging a version, moving the aliases."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

import hpoe_recognition
from hpoe.errors import RegistryError
from hpoe.tensors import load_tensors, save_tensors
from hpoe.tracking.mlflow_errors import ask_health, explained, first_line
from hpoe.tracking.store import STORE, check_address, quieten_mlflow, tracking_uri
from hpoe_recognition.images import Limits
from hpoe_recognition.recogniser import Recogniser

NAME = "hpoe-digits"
CHAMPION, CANDIDATE = "champion", "candidate"
HISTORY = "champions"
"""Tag of the registered model: its champions so far, oldest first, a JSON list of versions."""
WEIGHTS = "weights.safetensors"
REQUIREMENTS = ("mlflow-skinny", "numpy", "pandas", "pillow", "safetensors")
VALIDATION = "validation/"
"""Prefix of the arrays that hold a version's predictions of the validation images."""


@dataclass(frozen=True)
class Verdict:
    """A candidate beside the champion on the same validation images."""

    only_candidate_wrong: int
    only_champion_wrong: int
    p: float
    """Chance of so many images against the candidate were the two equally good."""
    not_worse: bool

    def __str__(self) -> str:
        """One sentence for the terminal."""
        return (
            f"{self.only_candidate_wrong} validation images only the candidate gets wrong, "
            f"{self.only_champion_wrong} only the champion (p = {self.p:.3g})"
        )


@dataclass(frozen=True)
class Version:
    """A version of the registered model, as a table shows it."""

    number: int
    aliases: list[str]
    tags: dict[str, str]
    created: int
    """Milliseconds since 1970."""


def judge(candidate: pd.DataFrame, champion: pd.DataFrame, significance: float) -> Verdict:
    """McNemar's exact test, one-sided: is the candidate worse beyond the noise?

    Of the images that exactly one of the two gets wrong, an equally good candidate gets half; it is
    worse if a binomial of p = 1/2 gives as many or more with a probability under `significance`.

    Args:
        candidate: columns index, label, prediction of validation images.
        champion: the same columns; only images of both tables count.
        significance: in (0, 1).

    Raises:
        RegistryError: the two have no validation image in common.
    """
    from scipy.stats import binomtest  # a server does without SciPy

    both = candidate.merge(champion, on=["index", "label"], suffixes=("", "_champion"))
    if both.empty:
        raise RegistryError(
            "candidate and champion were validated on different images: compare them by hand, then "
            "`hpoe promote VERSION`"
        )
    wrong = both["prediction"] != both["label"]
    champion_wrong = both["prediction_champion"] != both["label"]
    against, for_it = int((wrong & ~champion_wrong).sum()), int((champion_wrong & ~wrong).sum())
    p = 1.0
    if against + for_it:
        p = float(binomtest(against, against + for_it, alternative="greater").pvalue)
    return Verdict(against, for_it, p, p >= significance)


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _explained(
    method: "Callable[Concatenate[Registry, Arguments], Result]",
) -> "Callable[Concatenate[Registry, Arguments], Result]":
    """Tell in a sentence that the server is down, or refuses the login."""

    @wraps(method)
    def explaining(
        registry: "Registry", /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        with explained(registry.uri):
            return method(registry, *args, **kwargs)

    return explaining


class Registry:
    """The versions of one registered model in MLflow's registry."""

    def __init__(self, configured_uri: str) -> None:
        """Connect to the registry of a tracking store.

        Raises:
            UnreachableError: the server does not answer.
        """
        uri = tracking_uri(configured_uri)
        ask_health(uri)
        quieten_mlflow()
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self.uri = uri
        self._client = mlflow.MlflowClient()

    @_explained
    def add(
        self,
        run_id: str,
        recogniser: Recogniser,
        validation: pd.DataFrame,
        example: str,
        tags: dict[str, str],
    ) -> int:
        """Package a system, log it to a run, register it as the candidate; its version.

        Args:
            run_id: of the run that made it.
            recogniser: the system.
            validation: its predictions of the validation images, columns index, label, prediction.
            example: a real image as base64, for the input example.
            tags: what a table of versions shows, and what links the version to its making.
        """
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types.schema import Array, ColSpec, DataType, Schema, TensorSpec

        outputs: list[ColSpec | TensorSpec] = [
            ColSpec(DataType.long, "digit"),
            ColSpec(DataType.double, "probability"),
            ColSpec(Array(DataType.double), "probabilities"),
            ColSpec(DataType.double, "typicality"),
            ColSpec(DataType.boolean, "looks_like_digit"),
            ColSpec(DataType.double, "digit_score"),
        ]
        signature = ModelSignature(
            inputs=Schema([ColSpec(DataType.string, "image")]), outputs=Schema(outputs)
        )
        with tempfile.TemporaryDirectory() as scratch, mlflow.start_run(run_id=run_id):
            weights, code = Path(scratch) / WEIGHTS, Path(hpoe_recognition.__file__).parent
            _save(weights, recogniser, validation)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(code / "pyfunc.py"),
                artifacts={"weights": str(weights)},
                code_paths=[str(code)],
                model_config={"max_pixels": Limits().most_pixels},
                signature=signature,
                input_example=pd.DataFrame({"image": [example]}),
                pip_requirements=[
                    f"{name}=={installed(_with_skinny(name))}" for name in REQUIREMENTS
                ],
                registered_model_name=NAME,
            )
        number = int(info.registered_model_version)
        for key, value in tags.items():
            self._client.set_model_version_tag(NAME, str(number), key, value)
        self._client.set_registered_model_alias(NAME, CANDIDATE, str(number))
        return number

    @_explained
    def need_champion(self) -> int:
        """The version that is served.

        Raises:
            RegistryError: there is none, or the registry does not show it to this login.
        """
        from mlflow.exceptions import MlflowException

        try:
            return int(self._client.get_model_version_by_alias(NAME, CHAMPION).version)
        except MlflowException as error:
            status = error.get_http_status_code()
            if status in (400, 404):
                raise _no_champion(self.uri) from None
            if status == 403:  # where logins are needed, MLflow answers this in both cases
                raise RegistryError(
                    f"{NAME} cannot be fetched from {self.uri}: it has no model {NAME} with the "
                    f"alias {CHAMPION}, or does not let this login see it"
                ) from None
            raise

    @_explained
    def fetch(self, version: int, folder: Path) -> Path:
        """Copy the package of a version into a folder; the path of the copy.

        Raises:
            RegistryError: it cannot be copied.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            return Path(download_artifacts(f"models:/{NAME}/{version}", dst_path=str(folder)))
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"{NAME} version {version} cannot be fetched from {self.uri} ({first_line(error)})"
            ) from None

    @_explained
    def validation(self, version: int) -> pd.DataFrame:
        """A version's predictions of its validation images: columns index, label, prediction."""
        import mlflow

        uri = f"models:/{NAME}/{version}/artifacts/{WEIGHTS}"
        with tempfile.TemporaryDirectory() as scratch:
            path = mlflow.artifacts.download_artifacts(uri, dst_path=scratch)
            arrays, _ = load_tensors(Path(path), "register that version again")
        columns = ("index", "label", "prediction")
        return pd.DataFrame({name: arrays[VALIDATION + name] for name in columns})

    @_explained
    def champion(self) -> int | None:
        """The version that is served; None before the first."""
        return self._aliases().get(CHAMPION)

    @_explained
    def promote(self, version: int) -> None:
        """Make a version the champion.

        Raises:
            RegistryError: there is no such version.
        """
        self._check(version)
        history = self._history()
        if self.champion() != version:
            self._remember([*history, version])
        self._client.set_registered_model_alias(NAME, CHAMPION, str(version))

    @_explained
    def rollback(self) -> int:
        """Make the champion before this one the champion again; its version.

        Raises:
            RegistryError: there was none before.
        """
        history = self._history()
        if len(history) < 2:
            raise RegistryError(
                f"{NAME} has had no champion before this one: nothing to go back to"
            )
        self._check(history[-2])
        self._client.set_registered_model_alias(NAME, CHAMPION, str(history[-2]))
        self._remember(history[:-1])
        return history[-2]

    @_explained
    def versions(self) -> list[Version]:
        """All versions, newest first."""
        by_alias = self._aliases()
        found = self._client.search_model_versions(f"name='{NAME}'")
        return sorted(
            (
                Version(
                    number=int(each.version),
                    aliases=[a for a, number in by_alias.items() if number == int(each.version)],
                    tags=dict(each.tags),
                    created=int(each.creation_timestamp),
                )
                for each in found
            ),
            key=lambda each: -each.number,
        )

    def _registered(self) -> Any:  # noqa: ANN401 - MLflow's entity
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise RegistryError(
                f"{self.uri} has no registered model {NAME}: `make repro` registers it"
            ) from None

    def _aliases(self) -> dict[str, int]:
        return {alias: int(number) for alias, number in self._registered().aliases.items()}

    def _history(self) -> list[int]:
        numbers: list[int] = json.loads(self._registered().tags.get(HISTORY, "[]"))
        return numbers

    def _remember(self, history: Sequence[int]) -> None:
        self._client.set_registered_model_tag(NAME, HISTORY, json.dumps(list(history)))

    def _check(self, version: int) -> None:
        known = sorted(each.number for each in self.versions())
        if version not in known:
            raise RegistryError(
                f"{NAME} has no version {version}: it has {', '.join(map(str, known))}"
            )


def existing_registry(configured_uri: str) -> Registry:
    """The registry of a tracking store that exists: none is made.

    Raises:
        RegistryError: there is no embedded store yet.
        TrackingError: the address is none of a store, or the server does not answer.
    """
    check_address(configured_uri)
    if not configured_uri and not (STORE / "mlflow.db").exists():
        raise _no_champion(tracking_uri(configured_uri))
    return Registry(configured_uri)


def _no_champion(uri: str) -> RegistryError:
    return RegistryError(
        f"{uri} has no model {NAME} with the alias {CHAMPION}: `make repro` trains and registers "
        "one, `hpoe promote VERSION` chooses among those registered"
    )


def _save(path: Path, recogniser: Recogniser, validation: pd.DataFrame) -> None:
    arrays, record = recogniser.contents()
    for name in ("index", "label", "prediction"):
        arrays[VALIDATION + name] = validation[name].to_numpy(np.int64)
    save_tensors(path, arrays, record)


def _with_skinny(name: str) -> str:
    """The distribution whose version is installed here: hpoe needs all of MLflow, a server not."""
    return name.removesuffix("-skinny")
