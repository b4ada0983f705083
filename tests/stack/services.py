"""The stack's services as processes: Postgres, the MLflow server with logins, the gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving.running import free_port, wait_until
from tests.stack.processes import Gateway, Mlflow, Postgres, missing, status


@dataclass
class Services:
    """The services that are up; the model server's port is kept for it."""

    postgres: Postgres
    mlflow: Mlflow
    gateway: Gateway
    model_port: int

    def settled(self) -> None:
        """Wait until a login is answered again, through the gateway and from the database.

        A service's health says less: MLflow's is answered before it has found its database again,
        and on a busy machine a client that has patience for seconds gives up in between.
        """
        login = self.mlflow.login("pipeline")
        user = (login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"])
        asked = f"{self.gateway.uri}/api/2.0/mlflow/experiments/search?max_results=1"
        wait_until(lambda: status(asked, user) == 200)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Postgres, the MLflow server and the gateway."""
    with running(tmp_path_factory.mktemp("services")) as services:
        yield services


@contextmanager
def running(folder: Path) -> Iterator[Services]:
    """The services, with an empty database; all that they held is deleted in the end."""
    if reason := missing():
        pytest.skip(reason)
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
        services = Services(postgres, mlflow, gateway, model_port)
        services.settled()
        yield services
    finally:
        gateway.remove()
        mlflow.service.kill()
        postgres.remove()
