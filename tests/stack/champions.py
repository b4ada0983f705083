"""A small real model in the stack's registry, and clients that ask it through the gateway."""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pandas as pd
from mlflow import MlflowClient

from hpoe.registration.packages import Package
from hpoe.registration.registry import Registry
from hpoe.tracking.store import Tracker
from hpoe_recognition.images import base64_png
from tests.serving.running import JSON, exchange
from tests.unit.recognition.systems import images, recogniser

ROOT = Path(__file__).parents[2]
IMAGES = 12
UNAVAILABLE = (502, 503)


def register_small_model(uri: str, login: Mapping[str, str], folder: Path = ROOT) -> dict[str, int]:
    """Register a random system of three digits as the champion; return its answers to images.

    It is registered in a process of its own, as a stage does it, and from a folder.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.stack.champions", uri],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", **login},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _register(uri: str) -> dict[str, int]:
    Tracker(uri)  # creates the experiment
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("hpoe")
    assert experiment is not None
    run = client.create_run(experiment.experiment_id, run_name="small model").info.run_id
    validation = pd.DataFrame({"index": [0, 1, 2], "label": [2, 5, 7], "prediction": [2, 5, 7]})
    registry = Registry(uri)
    version = registry.add(
        run, recogniser(), validation, base64_png(images(1)[0]), {"kind": "test"}
    )
    registry.promote(version)
    texts = [base64_png(image) for image in images(IMAGES, seed=7)]
    with closing(Package(registry, version, workers=1)) as package:
        (answers,) = package.ask("answers", [texts])
    return {text: int(answer["digit"]) for text, answer in zip(texts, answers, strict=True)}


def login_header(name: str, password: str) -> dict[str, str]:
    """Return HTTP's header for a login."""
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


@dataclass
class Client:
    """Asks through the gateway, one question after another, over a connection that it keeps."""

    port: int
    headers: dict[str, str]
    expected: dict[str, int]
    right: int = 0
    wrong: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """By status: requests that were told to come again."""
    strange: list[str] = field(default_factory=list)
    """Anything else: broken connections, refusals that do not say when to come again."""

    def ask(self, stop: Event) -> None:
        """Ask until told to stop."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        texts = list(self.expected)
        asked = 0
        while not stop.is_set():
            text = texts[asked % len(texts)]
            asked += 1
            try:
                self._judge(connection, text)
            except (OSError, http.client.HTTPException) as error:
                self.strange.append(repr(error))
                connection.close()
        connection.close()

    def _judge(self, connection: http.client.HTTPConnection, text: str) -> None:
        body = f'{{"dataframe_records": [{{"image": "{text}"}}]}}'.encode()
        reply = exchange(connection, "POST", "/invocations", body, {**JSON, **self.headers})
        if reply.status == 200:
            (answer,) = reply.json()["predictions"]
            self.right += answer["digit"] == self.expected[text]
            self.wrong += answer["digit"] != self.expected[text]
        elif reply.status in UNAVAILABLE and reply.headers.get("Retry-After", "").isdecimal():
            self.refused[reply.status] += 1
            time.sleep(0.2)  # less than it was told, to ask in mid-outage
        else:
            self.strange.append(f"{reply.status} {reply.body[:200]!r}")


def total(clients: Sequence[Client]) -> tuple[int, int, Counter[int], list[str]]:
    """Of all clients: right and wrong answers, refusals by status, and what is strange."""
    refused = Counter[int]()
    for client in clients:
        refused += client.refused
    strange = [each for client in clients for each in client.strange]
    return sum(c.right for c in clients), sum(c.wrong for c in clients), refused, strange


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_register(sys.argv[1])) + "\n")
