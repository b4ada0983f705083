"""A small real model in the stack's registry, and clients that ask it through the gateway."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient

from hpoe.registration.packages import Package
from hpoe.registration.registry import Registry
from hpoe.tracking.store import Tracker
from hpoe_recognition.images import base64_png
from tests.unit.recognition.systems import LABELS, images, recogniser

ROOT = Path(__file__).parents[2]
IMAGES = 12


def register_small_model(uri: str, login: Mapping[str, str], folder: Path = ROOT) -> dict[str, str]:
    """Register a random system of three classes as the champion; return its answers to images.

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
    answers: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _register(uri: str) -> dict[str, str]:
    Tracker(uri)  # creates the experiment
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("hpoe-digits")
    assert experiment is not None
    run = client.create_run(experiment.experiment_id, run_name="small model").info.run_id
    validation = pd.DataFrame({"image": range(3), "label": LABELS, "prediction": LABELS})
    registry = Registry(uri)
    version = registry.add(
        run, recogniser(), validation, base64_png(images(1)[0]), {"kind": "test"}
    )
    registry.promote(version)
    texts = [base64_png(image) for image in images(IMAGES, seed=7)]
    with closing(Package(registry, version, workers=1)) as package:
        (answers,) = package.ask("answers", [texts])
    return {text: str(answer["label"]) for text, answer in zip(texts, answers, strict=True)}


def login_header(name: str, password: str) -> dict[str, str]:
    """Return HTTP's header for a login."""
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_register(sys.argv[1])) + "\n")
