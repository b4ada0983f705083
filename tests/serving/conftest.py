"""A registry with a stand-in for the model, and servers of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.serving.running import Server

STAND_IN = Path(__file__).with_name("stand_in.py")
REGISTER = """
import json
import sys
import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

uri, python_model, metadata = sys.argv[1:]
mlflow.set_tracking_uri(uri)
with mlflow.start_run():
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=python_model,
        signature=ModelSignature(Schema([ColSpec("string", "image")])),
        pip_requirements=["mlflow"],
        model_config={"max_pixels": 1},
        metadata=json.loads(metadata),
        registered_model_name="hpoe-digits",
    )
mlflow.MlflowClient().set_registered_model_alias(
    "hpoe-digits", "champion", logged.registered_model_version
)
"""
BREAKS = """
def load_context(self, context):
    raise OSError("some of it is missing")

StandIn.load_context = load_context
"""

settings.register_profile("serving", deadline=None, derandomize=True, database=None)
settings.load_profile("serving")


def register(folder: Path, python_model: Path = STAND_IN, contract: int | None = 2) -> str:
    """Make a model the champion of the tracking store in a folder; the store's address.

    Without a contract it is as the first versions were, which recorded none.
    """
    metadata = "null" if contract is None else json.dumps({"contract": contract})
    uri = f"sqlite:///{folder}/mlflow.db"
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", REGISTER, uri, str(python_model), metadata]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return uri


def broken(folder: Path) -> Path:
    """A model that cannot be loaded."""
    path = folder / "broken.py"
    path.write_text(STAND_IN.read_text() + BREAKS)
    return path


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a tracking store whose champion is the stand-in, version 1."""
    return register(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def server(tmp_path: Path, registry: str) -> Iterator[Server]:
    """A server that is not yet started."""
    server = Server(tmp_path, registry)
    yield server
    server.kill()
