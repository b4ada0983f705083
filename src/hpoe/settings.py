"""Settings of this machine, from HPOE_* variables and .env; only the device changes a result.

A GPU rounds differently and draws its own random numbers, so that results vary as they do between
seeds. Therefore it is used only on request.
"""

import os
import re
from pathlib import Path
from typing import Literal

import joblib
from dotenv import dotenv_values
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from hpoe.errors import SettingsError

PREFIX = "HPOE_"


class Settings(BaseSettings):
    """Settings of this machine; the environment takes precedence over .env."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    mnist_dir: Path | None = None
    """Folder with MNIST's four IDX files, raw or gzipped, used instead of the network."""
    usps_dir: Path | None = None
    """Folder with USPS's zip.train.gz and zip.test.gz, used instead of the network."""
    workers: int = Field(default_factory=joblib.cpu_count, ge=1)
    """Processes, with one thread each, that train digits or score a file; by default all cores."""
    ray_address: str | None = None
    """HOST:PORT of a Ray cluster's head: layers train there, one digit per core."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Device that layers train on; `auto` means one GPU if there is one, else the CPU."""
    checkpoint_seconds: float = Field(default=2.0, ge=0)
    """Seconds of training between two checkpoints of a digit: the most that a kill can cost."""
    state_dir: Path = Path(".hpoe")
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
    """Maximum request body size in bytes; enough for any 4000 x 4000 colour image in base64."""
    serve_max_records: int = Field(default=1000, ge=1)
    """Maximum number of records per request."""
    serve_max_pixels: int = Field(default=4000 * 4000, ge=1)
    """Maximum number of pixels of a decoded image."""
    tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    """MLflow's own variable; if empty, the embedded store mlruns/mlflow.db is used."""

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


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a variable is unknown or has a wrong value.
    """
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    unknown = sorted(name for name in given - known if name.startswith(PREFIX))
    if unknown:
        raise SettingsError(
            f"{', '.join(unknown)} is not a known setting; the settings are "
            f"{', '.join(sorted(known))}"
        )
    try:
        return Settings()
    except ValidationError as error:
        detail = error.errors()[0]
        name = f"HPOE_{detail['loc'][0]}".upper()
        raise SettingsError(
            f"{name} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
        ) from None
