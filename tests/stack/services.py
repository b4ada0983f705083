"""The stack's services as processes: Postgres, the MLflow server with logins, the gateway."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.serving.running import free_port
from tests.stack.processes import Gateway, Mlflow, Postgres, missing


@dataclass
class Services:
    """The services that are up; the model server's port is kept for it."""

    postgres: Postgres
    mlflow: Mlflow
    gateway: Gateway
    model_port: int


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Postgres, the MLflow server and the gateway."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("services")
    for name in ("mlflow", "gateway"):
        (folder / name).mkdir()
    postgres, model_port = Postgres(), free_port()
    mlflow = Mlflow(folder / "mlflow", postgres)
    host = f"127.0.0.1:{mlflow.port}"
    gateway = Gateway(folder / "gateway", mlflow.port, host, model_port)
    try:
        postgres.initialise()
        mlflow.service.start()
        gateway.service.start()
        yield Services(postgres, mlflow, gateway, model_port)
    finally:
        gateway.remove()
        mlflow.service.kill()
        postgres.remove()
