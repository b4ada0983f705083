"""The stack's services as processes of this machine, on free loopback ports, to be killed.

They are started by the scripts that the containers run, with the configuration that is shipped;
each can be killed and started again at the same address with the same data.
"""

import configparser
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
import sqlalchemy

from tests.serving.running import free_port

DOCKER = Path(__file__).parents[2] / "docker"
SECONDS_TO_START = 240
ADMIN, ADMIN_PASSWORD = "admin", "admin-password-of-tests"
DATABASE_PASSWORD = "database-password-of-tests"  # noqa: S105


@dataclass
class Service:
    """A process that can be killed, with all that it started, and started again."""

    command: Sequence[str]
    folder: Path
    ready: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**kept, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                start_new_session=True,
            )
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.ready():
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.command} did not start: {self.log()[-3000:]}")

    def kill(self) -> None:
        """Kill it and all that it started, at once (SIGKILL); do nothing if it does not run."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.process.pid)
            family = [main, *main.children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.send_signal(signal.SIGKILL)
            psutil.wait_procs(family[1:], timeout=30)
        self.process.wait(timeout=30)
        self.process = None

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self.folder / "log"

    def log(self) -> str:
        """What it printed, in all its lives."""
        return self.log_file.read_text(errors="replace")


class Postgres:
    """A database server of its own, reached with a password only."""

    def __init__(self) -> None:
        """Make an empty cluster, as a user who is not root: Postgres refuses root."""
        self.folder = Path(tempfile.mkdtemp(prefix="hpoe-postgres-"))
        self.port = free_port()
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        options = [f"-c{name}={value}" for name, value in self._options().items()]
        self.service = Service(
            [program("postgres"), "-D", f"{self.folder}/data", *options],
            self.folder,
            self.answers,
            user=self._user,
        )

    def _options(self) -> dict[str, object]:
        sockets = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        return {**sockets, "port": self.port}

    def initialise(self) -> None:
        """Make the cluster, start it, and make the databases with the stack's own script."""
        password = self.folder / "password"
        password.write_text(DATABASE_PASSWORD)
        password.chmod(0o644)
        command = [program("initdb"), "-D", f"{self.folder}/data", "-U", "postgres"]
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
        """Whether it takes connections."""
        ask = [program("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ask, timeout=30).returncode == 0

    def query(self, text: str, **values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, from MLflow's database itself."""
        password = f"mlflow:{DATABASE_PASSWORD}"
        engine = sqlalchemy.create_engine(
            f"postgresql+psycopg2://{password}@127.0.0.1:{self.port}/mlflow",
            poolclass=sqlalchemy.NullPool,
        )
        with engine.begin() as connection:
            found = connection.execute(sqlalchemy.text(text), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def remove(self) -> None:
        """End it, and delete all that it held."""
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
            [sys.executable, str(DOCKER / "mlflow/start.py")],
            folder,
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
        """What a service of the stack has in its environment to log in."""
        found = configparser.ConfigParser(interpolation=None)
        found.read(self.logins / service / "credentials")
        return {name.upper(): value for name, value in found["mlflow"].items()}


class Gateway:
    """nginx with the shipped configuration."""

    def __init__(self, folder: Path, mlflow_port: int, mlflow_host: str, model_port: int) -> None:
        """Prepare it, to lead to the two servers; with TLS if the folder has a certificate."""
        self.port = free_port()
        scratch = Path(tempfile.mkdtemp(prefix="hpoe-gateway-"))
        scratch.chmod(0o755)  # nginx's workers are not root
        self.scratch = scratch
        self.certificate = folder / "tls.crt"
        self.service = Service(
            ["sh", str(DOCKER / "gateway/start.sh")],
            folder,
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
        """What clients are to trust, as `requests` takes it."""
        return str(self.certificate) if self.certificate.exists() else True

    def remove(self) -> None:
        """End it, and delete its files."""
        self.service.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


def missing() -> str | None:
    """The program that is needed and not installed here, with its package in Debian."""
    for name, package in {
        "postgres": "postgresql",
        "nginx": "nginx",
        "envsubst": "gettext-base",
    }.items():
        if not program(name):
            return f"{name} is not installed (Debian's package {package})"
    return None


def program(name: str) -> str:
    """A program's path, empty if it is not installed; Debian keeps Postgres's outside PATH."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    path = os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"])
    return shutil.which(name, path=path) or ""


def status(url: str, user: tuple[str, str] | None = None, *, verify: str | bool = True) -> int:
    """The status of an answer; 0 if there is none."""
    try:
        return requests.get(url, auth=user, timeout=20, verify=verify).status_code
    except requests.RequestException:
        return 0
