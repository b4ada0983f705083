"""Settings of this machine, from HPOE_* variables and .env; only the device changes a result.

A GPU rounds differently and draws its own random numbers, so that results vary as they do between
seeds. Therefore it is used only on request.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import joblib
from dotenv import dotenv_values
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticUseDefault
from pydantic_settings import BaseSettings, SettingsConfigDict

from hpoe.errors import SettingsError

PREFIX = "HPOE_"
SERVICE_ADDRESS = re.compile("(tcp|udp|sctp)://")
"""What Kubernetes and Docker put into NAME_PORT for a service NAME."""
SERVICE_PARTS = ("PORT", "SERVICE_", "ENV_", "NAME")
"""How the variables of a service go on after its NAME_."""


def _expanded(path: Path) -> Path:
    """Replace a leading ~, as a shell would."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise PydanticCustomError("path", "There is no user of that name") from None


UserPath = Annotated[Path, AfterValidator(_expanded)]


class Settings(BaseSettings):
    """Settings of this machine; the environment takes precedence over .env."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    mnist_dir: UserPath | None = None
    """Folder with MNIST's four IDX files, raw or gzipped, used instead of the network."""
    usps_dir: UserPath | None = None
    """Folder with USPS's zip.train.gz and zip.test.gz, used instead of the network."""
    workers: int = Field(default_factory=joblib.cpu_count, ge=1)
    """Processes, with one thread each, that train digits or score a file; by default all cores."""
    ray_address: str | None = None
    """HOST:PORT of a Ray cluster's head: layers train there, one digit per core."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Device that layers train on; `auto` means one GPU if there is one, else the CPU."""
    checkpoint_seconds: float = Field(default=2.0, ge=0)
    """Seconds of training between two checkpoints of a digit: the most that a kill can cost."""
    state_dir: UserPath = Path(".hpoe")
    """Store of trained RBMs, checkpoints, and runs not yet delivered to MLflow."""
    restore_only: bool = False
    """Refuse to run stages; set by `hpoe checkout`, which only restores outputs."""
    serve_host: str = "127.0.0.1"
    """Address on which `hpoe serve` listens; the default accepts this machine only."""
    serve_port: int = Field(default=5001, ge=1, le=65535)
    """Port of `hpoe serve`."""
    serve_workers: int = Field(default_factory=lambda: min(4, joblib.cpu_count()), ge=1)
    """Processes of `hpoe serve` that answer, each with the model loaded; by default all cores, at
    most four."""
    serve_follow: bool = False
    """Wait for a champion if there is none, and switch to each newly promoted one."""
    serve_max_body_bytes: int = Field(default=64 * 2**20, ge=1)
    """Maximum request body size in bytes; enough for any photo, or any 4000 x 4000 PNG."""
    serve_max_records: int = Field(default=1000, ge=1)
    """Maximum number of records per request."""
    serve_max_pixels: int = Field(default=50_000_000, ge=1)
    """Maximum number of pixels of a decoded image."""
    model: str | None = None
    """Name of the registered model and of the experiment; by default `name` of params.yaml."""
    tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    """MLflow's own variable; if empty, the embedded store mlruns/mlflow.db is used."""

    @property
    def serve_url(self) -> str:
        """The address of `hpoe serve` in a browser."""
        host = f"[{self.serve_host}]" if ":" in self.serve_host else self.serve_host
        return f"http://{host}:{self.serve_port}"

    @field_validator("serve_host")
    @classmethod
    def _without_brackets(cls, host: str) -> str:
        return host.removeprefix("[").removesuffix("]")

    @field_validator("serve_port", mode="before")
    @classmethod
    def _not_of_a_service(cls, port: object) -> object:
        if SERVICE_ADDRESS.match(str(port)):
            raise PydanticUseDefault  # the address of a service called hpoe-serve
        return port

    @field_validator("ray_address")
    @classmethod
    def _host_and_port(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"[^\s/]+:\d{1,5}", address):
            raise PydanticCustomError(
                "address", "Should be HOST:PORT of a Ray cluster's head, such as 10.0.0.1:6379"
            )
        return address

    @field_validator("device")
    @classmethod
    def _one_place_to_train(cls, device: str, others: ValidationInfo) -> str:
        if device != "cpu" and others.data.get("ray_address") is not None:
            raise PydanticCustomError(
                "device",
                "Should be unset, or HPOE_RAY_ADDRESS should: layers train on a GPU or a cluster",
            )
        return device


def load_settings(**given: Any) -> Settings:  # noqa: ANN401
    """Read the settings; those that are given, and not None, take precedence over all others.

    Raises:
        SettingsError: a variable is unknown or has a wrong value.
    """
    try:
        written = dotenv_values(".env")
        for name, value in written.items():  # for MLflow's client, which does not read .env
            if name.startswith("MLFLOW_") and value:
                os.environ.setdefault(name, value)
        _refuse_unknown({**written, **os.environ})
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except UnicodeDecodeError:
        raise SettingsError(
            f"{Path('.env').resolve()} is not UTF-8: save it in that encoding"
        ) from None
    except ValidationError as error:
        detail = error.errors()[0]
        name = f"{PREFIX}{detail['loc'][0]}".upper()
        raise SettingsError(
            f"{name} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
        ) from None


def _refuse_unknown(given: Mapping[str, str | None]) -> None:
    """Refuse variables with hpoe's prefix that are no settings and describe no service."""
    known = {
        str(field.validation_alias or f"{PREFIX}{name}").upper()
        for name, field in Settings.model_fields.items()
    }
    services = {
        name.removesuffix("_PORT")
        for name, value in given.items()
        if SERVICE_ADDRESS.match(value or "")
    }
    of_services = tuple(f"{service}_{part}" for service in services for part in SERVICE_PARTS)
    for name in sorted(map(str.upper, given)):
        if not name.startswith(PREFIX) or name in known or name.startswith(of_services):
            continue
        similar = get_close_matches(name, known, 1)
        advice = (
            f"do you mean {similar[0]}?"
            if similar
            else f"the settings are {', '.join(sorted(known))}"
        )
        raise SettingsError(f"{name} is not a known setting: {advice}")
