"""Where things run, from HPOE_* variables and .env: nothing here changes a result.

But the device: a GPU rounds otherwise and draws its own random numbers, another draw of the same
experiment. So it is used only where it is asked for.
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
    """Settings of this machine; the environment wins over .env."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    mnist_dir: Path | None = None
    """Folder with MNIST's four IDX files, raw or gzipped; looked in before anything is fetched."""
    usps_dir: Path | None = None
    """Folder with USPS's zip.train.gz and zip.test.gz; nothing is fetched if it is given."""
    workers: int = Field(default_factory=joblib.cpu_count, ge=1)
    """Processes that train digits or score a file, of one thread each; by default all cores."""
    ray_address: str | None = None
    """HOST:PORT of a Ray cluster's head: layer stages train there, a digit a core."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """What layer stages train on: cores, one GPU, or that where there is one and else cores."""
    checkpoint_seconds: float = Field(default=2.0, ge=0)
    """Seconds between two checkpoints of a digit's training: what a kill can cost."""
    state_dir: Path = Path(".hpoe")
    """Trained digits by fingerprint, checkpoints, and runs not yet delivered to MLflow."""
    restore_only: bool = False
    """Refuse to run stages: set by `hpoe checkout`, which only restores outputs."""
    serve_host: str = "127.0.0.1"
    """Address at which `hpoe serve` listens; the default is reached from this machine alone."""
    serve_port: int = Field(default=5001, ge=1, le=65535)
    """Port of `hpoe serve`."""
    serve_workers: int = Field(default_factory=lambda: min(4, joblib.cpu_count()), ge=1)
    """Processes of `hpoe serve` that answer, each with the model loaded; by default all cores, at
    most four."""
    serve_follow: bool = False
    """Wait for a champion where there is none, and go over to another when it is promoted."""
    serve_max_body_bytes: int = Field(default=64 * 2**20, ge=1)
    """Bytes of a request's body; by default enough for any 4000 x 4000 colour image in base64."""
    serve_max_records: int = Field(default=1000, ge=1)
    """Records of a request."""
    serve_max_pixels: int = Field(default=4000 * 4000, ge=1)
    """Pixels of an image, decoded."""
    tracking_uri: str = Field(default="", validation_alias="MLFLOW_TRACKING_URI")
    """MLflow's own variable; empty: the embedded store mlruns/mlflow.db."""

    @field_validator("ray_address")
    @classmethod
    def _host_and_port(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"[^\s/]+:\d{1,5}", address):
            raise PydanticCustomError(
                "address", "Should be HOST:PORT of a Ray cluster's head, as 10.0.0.1:6379"
            )
        return address

    @field_validator("device")
    @classmethod
    def _one_place_to_train(cls, device: str, others: ValidationInfo) -> str:
        if device != "cpu" and others.data.get("ray_address") is not None:
            raise PydanticCustomError(
                "device",
                "Should be unset, or HPOE_RAY_ADDRESS be: layers train on a GPU or on a cluster",
            )
        return device


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a variable is unknown or its value out of range; the message names it.
    """
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    unknown = sorted(name for name in given - known if name.startswith(PREFIX))
    if unknown:
        raise SettingsError(
            f"{', '.join(unknown)} is not a known setting: there are {', '.join(sorted(known))}"
        )
    try:
        return Settings()
    except ValidationError as error:
        detail = error.errors()[0]
        name = f"HPOE_{detail['loc'][0]}".upper()
        raise SettingsError(
            f"{name} is {detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
        ) from None
