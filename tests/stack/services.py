"""The stack's services as processes of this machine, on free loopback ports, to be killed.

They are started by the scripts that the containers run, with the configuration that is shipped.
Each can be killed and started again at the same address with the same data.
"""

import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy

from tests.processes import Service, free_port, wait_until
from tests.programs import find, require

DOCKER = Path(__file__).parents[2] / "docker"
ADMIN, ADMIN_PASSWORD = "admin", "admin-password-of-tests"
DATABASE_PASSWORD = "database-password-of-tests"  # noqa: S105


class Postgres:
    """A database server of its own, reached with a password only."""

    def __init__(self) -> None:
        """Make an empty cluster, as a user who is not root: Postgres refuses root."""
        self.folder = Path(tempfile.mkdtemp(prefix="hpoe-postgres-"))
        self.port = free_port()
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "port": self.port,
        }
        command = [find("postgres") or "", "-D", f"{self.folder}/data"]
        command += [f"-c{name}={value}" for name, value in options.items()]
        self.service = Service(self.folder, command, self.answers, user=self._user)

    def initialise(self) -> None:
        """Make the cluster, start it, and make the databases with the stack's own script."""
        password = self.folder / "password"
        password.write_text(DATABASE_PASSWORD)
        password.chmod(0o644)
        command = [find("initdb") or "", "-D", f"{self.folder}/data", "-U", "postgres"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C"]
        run = {"cwd": self.folder, "check": True, "capture_output": True, "timeout": 120}
        subprocess.run(command, user=self._user, **run)  # type: ignore[call-overload]
        password.unlink()
        self.service.start()
        client = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGPASSWORD": DATABASE_PASSWORD}
        environment = {**os.environ, **client, "POSTGRES_PASSWORD": DATABASE_PASSWORD}
        script = str(DOCKER / "postgres/databases.sh")
        subprocess.run(["sh", script], env=environment, **run)  # type: ignore[call-overload]

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        ask = [find("pg_isready") or "", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ask, timeout=30).returncode == 0

    def query(self, text: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query to MLflow's database."""
        password = f"mlflow:{DATABASE_PASSWORD}"
        engine = sqlalchemy.create_engine(
            f"postgresql+psycopg2://{password}@127.0.0.1:{self.port}/mlflow",
            poolclass=sqlalchemy.NullPool,
        )
        with engine.begin() as connection:
            found = connection.execute(sqlalchemy.text(text), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def remove(self) -> None:
        """Kill it, and delete its data."""
        self.service.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mlflow:
    """The MLflow server with logins, tracking to a Postgres."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        """Prepare it; its artifacts and the services' logins are in folders of its own."""
        self.port = free_port()
        self.artifacts = folder / "artifacts"
        self.logins = folder / "logins"
        for each in (self.artifacts, self.logins / "model", self.logins / "pipeline"):
            each.mkdir(parents=True)
        self.service = Service(
            folder,
            [sys.executable, str(DOCKER / "mlflow/start.py")],
            lambda: status(f"{self.uri}/health") == 200,
            {
                "POSTGRES_HOST": "127.0.0.1",
                "POSTGRES_PORT": str(postgres.port),
                "POSTGRES_PASSWORD": DATABASE_PASSWORD,
                "LOGINS": str(self.logins),
                "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
                "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
                "MLFLOW_ARTIFACTS_DESTINATION": str(self.artifacts),
                "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{self.port}",
                "MLFLOW_PORT": str(self.port),
                "MLFLOW_WORKERS": "1",
            },
        )

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def login(self, service: str) -> dict[str, str]:
        """Return the environment with which a service of the stack logs in."""
        found = configparser.ConfigParser(interpolation=None)
        found.read(self.logins / service / "credentials")
        return {name.upper(): value for name, value in found["mlflow"].items()}


class Gateway:
    """nginx with the shipped configuration."""

    def __init__(self, folder: Path, mlflow_port: int, mlflow_host: str, model_port: int) -> None:
        """Prepare it in front of the two servers, with TLS if the folder has a certificate."""
        self.port = free_port()
        scratch = Path(tempfile.mkdtemp(prefix="hpoe-gateway-"))
        scratch.chmod(0o755)  # nginx's workers are not root
        self.scratch = scratch
        self.certificate = folder / "tls.crt"
        self.service = Service(
            folder,
            ["sh", str(DOCKER / "gateway/start.sh")],
            lambda: status(f"{self.uri}/gateway-health", verify=self.verify) == 200,
            {
                "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
                "GATEWAY_SCRATCH": str(scratch),
                "GATEWAY_CERTIFICATE_FOLDER": str(folder),
                "GATEWAY_RESOLVER": "127.0.0.1",
                "MLFLOW_ADDRESS": f"127.0.0.1:{mlflow_port}",
                "MLFLOW_HOST_HEADER": mlflow_host,
                "MODEL_ADDRESS": f"127.0.0.1:{model_port}",
                "PATH": f"{os.environ['PATH']}:/usr/sbin",
            },
        )

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http{'s' if self.certificate.exists() else ''}://127.0.0.1:{self.port}"

    @property
    def verify(self) -> str | bool:
        """The certificate that clients trust, as `requests` takes it."""
        return str(self.certificate) if self.certificate.exists() else True

    def remove(self) -> None:
        """Kill it, and delete its files."""
        self.service.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


@dataclass
class Services:
    """The running services, and the port where the gateway looks for the model server."""

    postgres: Postgres
    mlflow: Mlflow
    gateway: Gateway
    model_port: int

    def settled(self) -> None:
        """Wait until a login is answered again, through the gateway and from the database.

        MLflow's health check says less: it answers before MLflow has found its database again.
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
    """Start the services with an empty database, and delete all their data in the end."""
    require("postgres", "nginx", "envsubst")
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


def status(url: str, user: tuple[str, str] | None = None, *, verify: str | bool = True) -> int:
    """Return the status of an answer, or 0 if there is none."""
    try:
        return requests.get(url, auth=user, timeout=20, verify=verify).status_code
    except requests.RequestException:
        return 0
