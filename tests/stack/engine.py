"""A Docker engine to test with: the machine's own, or Debian's, installed and started here.

Where no image can be pulled, stand-ins of the base images are made from Debian's packages, and an
index of the pinned Python packages is served to the builds: the Dockerfile stays the same.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

from tests.processes import wait_until

ROOT = Path(__file__).parents[2]
BASES = Path(__file__).parent / "bases"
CACHE = Path(os.environ.get("HPOE_STACK_CACHE", "/var/tmp/hpoe-stack"))  # noqa: S108
"""Where wheels and Debian's base are kept from one test to the next."""
PACKAGES = ("docker.io", "docker-compose", "debootstrap")
PULLED = "python:3.11.14-slim-bookworm"
DEBIAN = "hpoe-base:debian"
INDEX_PORT = 3141
"""Fixed: the address is an argument of the builds, and another one would install all anew."""
STAND_INS = {"PYTHON_IMAGE": "python", "POSTGRES_IMAGE": "postgres", "NGINX_IMAGE": "nginx"}


def run(*command: str, timeout: float = 600, **environment: str) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-4000:]}"
    return done.stdout


def runs(*command: str) -> bool:
    """Whether a command ends well."""
    try:
        run(*command, timeout=120)
    except (AssertionError, FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return True


@contextmanager
def engine(folder: Path) -> Iterator[None]:
    """An engine that answers; one that was started here ends with the test."""
    if runs("docker", "info"):
        yield
        return
    if shutil.which("dockerd") is None:
        assert os.geteuid() == 0, "there is no Docker engine, and only root can install one"
        run("apt-get", "update")
        run("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)
    with (folder / "dockerd.log").open("w") as log:
        daemon = subprocess.Popen(["dockerd"], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: runs("docker", "info"), 60, 0.5)
        yield
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)


def compose() -> list[str]:
    """The command of whichever Compose there is."""
    return ["docker", "compose"] if runs("docker", "compose", "version") else ["docker-compose"]


@contextmanager
def build_arguments() -> Iterator[dict[str, str]]:
    """What a build needs in its environment; nothing, if images can be pulled or are named."""
    if "PYTHON_IMAGE" in os.environ or runs("docker", "pull", "--quiet", PULLED):
        yield {}
        return
    make_stand_ins()
    with index(wheels()) as address:
        yield {
            **{name: f"hpoe-base:{target}" for name, target in STAND_INS.items()},
            "PIP_INDEX_URL": f"http://{address}/simple",
            "PIP_TRUSTED_HOST": address.partition(":")[0],
            "DOCKER_BUILDKIT": "0",
        }


def make_stand_ins() -> None:
    """Images with the programs of the base images, from Debian's packages."""
    if not runs("docker", "image", "inspect", DEBIAN):
        folder = CACHE / "debian"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(
            "debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(folder)
        )
        run("sh", "-c", f"tar --create --directory={folder} . | docker import - {DEBIAN}")
        shutil.rmtree(folder)
    for target in STAND_INS.values():
        command = ["docker", "build", "--quiet", f"--target={target}"]
        run(*command, f"--tag=hpoe-base:{target}", str(BASES), DOCKER_BUILDKIT="0")


def wheels() -> Path:
    """The pinned packages of all images, as this machine's pip finds them, laid out as an index."""
    found, laid_out = CACHE / "wheels", CACHE / "index"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--constraint=constraints.txt"]
    command += [f"--wheel-dir={found}", "--requirement=docker/requirements-mlflow.txt"]
    command += ["--requirement=docker/requirements-model.txt", "setuptools>=77", "."]
    stamp = CACHE / "constraints.txt"
    pinned = (ROOT / "constraints.txt").read_text()
    if not stamp.exists() or stamp.read_text() != pinned:
        run("sh", "-c", f"cd {ROOT} && {' '.join(repr(part) for part in command)}", timeout=3000)
        shutil.rmtree(ROOT / "build", ignore_errors=True)
        stamp.write_text(pinned)
    for wheel in found.glob("*.whl"):
        project = re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower()
        target = laid_out / "simple" / project / wheel.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(wheel, target)
    return laid_out


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """Serve a folder to containers that are built; the server's address."""
    form = "{{(index .IPAM.Config 0).Subnet}}"  # an engine just installed does not know its gateway
    subnet = ip_network(run("docker", "network", "inspect", "bridge", "--format", form).strip())
    host = str(subnet[1])
    command = [sys.executable, "-m", "http.server", str(INDEX_PORT)]
    command += [f"--bind={host}", f"--directory={folder}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"{host}:{INDEX_PORT}"
        finally:
            server.terminate()
