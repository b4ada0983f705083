"""A real `mlflow server` behind TLS: what MLflow's client reads is honoured, no secret is told."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hpoe.errors import TrackingError, UnreachableError
from hpoe.registration.registry import Registry
from hpoe.secrets import without_secrets
from hpoe.settings import load_settings
from hpoe.tracking.delivery import Delivery
from hpoe.tracking.records import RunRecord, StageRecord
from hpoe.tracking.store import Tracker
from tests.processes import Service, free_port
from tests.programs import require

CERTIFICATE = """
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
    -keyout tls.key -out tls.crt
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and its certificate, which nobody has signed."""
    require("openssl")
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    subprocess.run(CERTIFICATE.split(), cwd=folder, check=True, capture_output=True)
    uri = f"https://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", "--workers=1"]
    command += [f"--port={port}", f"--backend-store-uri=sqlite:///{folder}/mlflow.db"]
    command += [f"--artifacts-destination={folder}/artifacts"]
    command += [f"--uvicorn-opts=--ssl-keyfile={folder}/tls.key --ssl-certfile={folder}/tls.crt"]
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    health, certificate = f"{uri}/health", folder / "tls.crt"
    service = Service(
        folder,
        command,
        lambda: requests.get(health, timeout=1, verify=str(certificate)).ok,
        settings,
    )
    service.start()
    yield uri, certificate
    service.kill()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLFLOW_TRACKING_INSECURE_TLS", "true"),
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", "the certificate"),
    ],
)
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_server_with_a_certificate_of_its_own_is_used_as_mlflow_uses_it(
    server: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    value: str,
) -> None:
    uri, certificate = server
    monkeypatch.setenv(variable, value.replace("the certificate", str(certificate)))
    said: list[str] = []
    delivery = Delivery(uri, tmp_path, said.append)
    record = StageRecord(
        pipeline=RunRecord(uid=value, name="x"), stage=RunRecord(uid="y", name="y")
    )
    delivery.open(record)
    delivery.close(record)
    assert said == []
    assert Tracker(uri).run_id(value) is not None


def test_a_certificate_that_is_not_trusted_is_told_with_the_variable_to_set(
    server: tuple[str, Path],
) -> None:
    for ask in (Tracker, lambda uri: Registry(uri).champion()):
        with pytest.raises(TrackingError, match="MLFLOW_TRACKING_SERVER_CERT_PATH") as caught:
            ask(server[0])
        assert not isinstance(caught.value, UnreachableError)


def test_mlflows_variables_in_the_env_file_serve_mlflows_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.utils.credentials import get_default_host_creds

    monkeypatch.chdir(tmp_path)
    login = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "Sesame-12345"}
    others = {"MLFLOW_TRACKING_INSECURE_TLS": "true", "MLFLOW_TRACKING_URI": "https://mlflow:5000"}
    for name in (*login, *others):
        monkeypatch.setenv(name, "")  # so that it is removed after the test
        monkeypatch.delenv(name)
    lines = [f"{name}={value}\n" for name, value in (login | others).items()]
    Path(".env").write_text("".join(lines))
    settings = load_settings()
    assert settings.tracking_uri == others["MLFLOW_TRACKING_URI"]
    credentials = get_default_host_creds(settings.tracking_uri)
    assert (credentials.username, credentials.password) == tuple(login.values())
    assert credentials.verify is False
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "eve")
    load_settings()
    assert get_default_host_creds(settings.tracking_uri).username == "eve"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ada:Sesame-12345@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("postgresql+psycopg2://ada:a@b:c@db/x?y=1", "postgresql+psycopg2://***@db/x?y=1"),
        ("https://token@host/ and http://u:p@other", "https://***@host/ and http://***@other"),
        ("mysql://db/x?user=ada&password=Sesame&z=1", "mysql://db/x?user=ada&password=***&z=1"),
        ("see http://host/a@b and mail@host", "see http://host/a@b and mail@host"),
    ],
)
def test_the_login_in_an_address_is_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_no_error_tells_the_password_in_the_address() -> None:
    uri = "http://ada:Sesame-12345@127.0.0.1:9"
    for ask in (Tracker, lambda uri: Registry(uri).versions()):
        with pytest.raises(UnreachableError, match=r"http://\*\*\*@127.0.0.1:9 does not answer"):
            ask(uri)
