"""The gateway with a certificate: its port speaks HTTPS and nothing else."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.processes import free_port
from tests.programs import require
from tests.stack.services import Gateway

pytestmark = pytest.mark.slow
MAKE = """
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
    -keyout tls.key -out tls.crt
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a certificate of its own making."""
    require("nginx", "envsubst", "openssl")
    subprocess.run(MAKE.split(), cwd=tmp_path, check=True, capture_output=True, timeout=60)
    return tmp_path


@pytest.fixture
def gateway(folder: Path) -> Iterator[Gateway]:
    """A gateway with that certificate, and no services behind it."""
    port = free_port()
    gateway = Gateway(folder, port, f"127.0.0.1:{port}", port)
    try:
        gateway.service.start()
        yield gateway
    finally:
        gateway.remove()


def test_it_speaks_https_alone_and_says_so_for_a_year(gateway: Gateway) -> None:
    reply = requests.get(f"{gateway.uri}/gateway-health", verify=gateway.verify, timeout=30)
    assert reply.status_code == 200
    assert reply.headers["Strict-Transport-Security"] == "max-age=31536000"
    refused = requests.get(f"{gateway.uri}/", verify=gateway.verify, timeout=30)
    assert refused.status_code == 503  # nothing is behind it to check the login
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{gateway.uri}/", timeout=30)  # a client that does not trust the certificate
    plain = gateway.uri.replace("https:", "http:")
    assert requests.get(f"{plain}/gateway-health", timeout=30).status_code == 400


def test_a_certificate_without_its_key_is_named(folder: Path) -> None:
    (folder / "tls.key").unlink()
    gateway = Gateway(folder, 1, "127.0.0.1:1", 1)
    try:
        with pytest.raises(AssertionError, match=r"GATEWAY_CERTIFICATES holds no tls.key"):
            gateway.service.start()
    finally:
        gateway.remove()
