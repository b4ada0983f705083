"""The stack as a team runs it: a clone with an .env, Compose, and requests to the gateway."""

import base64
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.pipeline.project import SMALL, copy_working_tree
from tests.processes import wait_until
from tests.stack.engine import ROOT

USER = "1000:1000"
ADMIN = ("admin", "correct-horse-battery")
SEVEN = base64.b64encode((ROOT / "docs/images/seven.png").read_bytes()).decode()

COUNT = """
import sys, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:5001/metrics").read().decode()
lines = [line for line in text.splitlines() if line.startswith("hpoe_answers_total{")]
of_version = [line for line in lines if f'version="{sys.argv[1]}"' in line]
print(int(sum(float(line.split()[-1]) for line in of_version)))
"""


@dataclass
class Stack:
    """A clone of this repository whose services run, or do not yet."""

    folder: Path
    compose: list[str]
    port: int
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, **lines: str) -> None:
        """Write .env; a line without a value is left out."""
        values = {
            "POSTGRES_PASSWORD": "a-long-one-4-tests",
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
            "GATEWAY_PORT": str(self.port),
            "STACK_USER": USER,
            **lines,
        }
        text = "".join(f"{name}={value}\n" for name, value in values.items() if value)
        (self.folder / ".env").write_text(text)

    def run(self, *command: str, expect: int | None = 0, timeout: float = 900) -> str:
        """Run Compose with a command; what it printed, which goes to the log as well."""
        start = time.monotonic()
        done = subprocess.run(
            [*self.compose, *command],
            cwd=self.folder,
            env={**os.environ, **self.environment, "COMPOSE_PROJECT_NAME": "hpoe-test"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        seconds = time.monotonic() - start
        self.note(f"$ {' '.join([*self.compose, *command])}  # {seconds:.0f} s", done.stdout)
        assert expect is None or done.returncode == expect, done.stdout[-6000:]
        return done.stdout

    def note(self, title: str, text: str = "") -> None:
        """Add to the log."""
        with self.log.open("a") as file:
            file.write(f"\n{title}\n{text}")

    def pipeline(self, *command: str) -> str:
        """Run a command in the pipeline's container, as a user does."""
        options = ["run", "--rm", "-T", "-e", "HPOE_MNIST_DIR=mnist", "-e", "HPOE_WORKERS=2"]
        return self.run(*options, "pipeline", *command, timeout=1800)

    def get(self, path: str) -> requests.Response:
        """GET from the gateway."""
        return requests.get(f"{self.url}{path}", auth=ADMIN, timeout=60)

    def post(self, path: str, content: object, user: tuple[str, str] = ADMIN) -> requests.Response:
        """POST JSON to the gateway."""
        return requests.post(f"{self.url}{path}", json=content, auth=user, timeout=60)

    def predict(self, user: tuple[str, str] = ADMIN) -> requests.Response:
        """Ask for the digit of a real image."""
        return self.post("/invocations", {"inputs": [SEVEN]}, user)

    def wait(self, condition: Any, seconds: float = 600) -> None:
        """Wait for something, and leave the services' logs if it does not happen."""
        try:
            wait_until(condition, seconds, 0.5)
        except AssertionError:
            self.run("logs", "--no-color", "--tail=60", expect=None)
            raise

    def answers(self) -> bool:
        """Whether MLflow answers through the gateway."""
        return self.get("/health").status_code == 200

    def answered_by(self, version: int) -> bool:
        """Whether a version answers a request that is sent now."""
        before = self._digits(version)
        return self.predict().ok and self._digits(version) > before

    def _digits(self, version: int) -> int:
        """How many digits a version has answered, as the model server counts them."""
        counted = self.run("exec", "-T", "model", "python", "-c", COUNT, str(version))
        return int(counted.split()[-1])

    def contents(self) -> dict[str, Any]:
        """What a backup must bring back: runs, versions, aliases, and an answer."""
        experiment = self.get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=hpoe").json()
        number = experiment["experiment"]["experiment_id"]
        search = {"experiment_ids": [number], "max_results": 1000}
        runs = self.post("/api/2.0/mlflow/runs/search", search).json()["runs"]
        model = self.get("/api/2.0/mlflow/registered-models/get?name=hpoe-digits").json()
        versions = self.get("/api/2.0/mlflow/model-versions/search").json()["model_versions"]
        return {
            "runs": in_order(runs),
            "aliases": in_order(model["registered_model"]["aliases"]),
            "versions": in_order(versions),
            "answer": self.predict().json(),
        }


def in_order(value: Any) -> Any:
    """JSON with its lists sorted: a database gives rows back in any order."""
    if isinstance(value, dict):
        return {name: in_order(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted(map(in_order, value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


def clone(folder: Path, mnist: Path) -> None:
    """Copy the working tree into a repository of its own, with small params."""
    copy_working_tree(folder)
    shutil.copytree(mnist, folder / "mnist")
    (folder / "params.yaml").write_text(yaml.safe_dump(SMALL))
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=60)
    subprocess.run(["chown", "-R", USER, str(folder)], check=True, timeout=60)
