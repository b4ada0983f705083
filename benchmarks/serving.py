"""Measure how fast the champion answers over HTTP, beside the floor that the server itself sets.

The floor is a model that computes nothing (the tests' stand-in), served the same way on the same
machine. Both are asked in turn, cell by cell, by the same client in a process of its own, over
connections that stay open, with bodies made beforehand.
"""

import base64
import http.client
import io
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
import requests
from PIL import Image
from rich.console import Console
from rich.table import Table

from hpoe.data.mnist import fetch, load
from hpoe.errors import ServingError
from hpoe.execution.stage import report_errors
from hpoe.files import write_json
from hpoe.settings import load_settings
from hpoe.tracking.store import tracking_uri

REPORT = Path("reports/benchmarks/serving.json")
STAND_IN = Path(__file__).parents[1] / "tests" / "serving" / "stand_in.py"
RAW = Path("data/raw")
BATCHES = (1, 10, 100, 1000)
CLIENTS = (1, 8, 32)
SECONDS = 2.0
"""How long each cell is measured, after a second of warming up."""


@dataclass(frozen=True)
class Measured:
    """Answers to requests of one size from a number of clients."""

    median_ms: float
    slowest_percent_ms: float
    images_a_second: float


@report_errors
def main() -> None:
    """Print and keep a row for every batch size and number of clients."""
    settings = load_settings()
    images = encoded_images(settings.mnist_dir)
    table = Table(title=f"Serving: the champion, and (in brackets) the floor; {SECONDS:g} s a row")
    for heading in ("images a request", "clients", "ms, median", "ms, 99 %", "images/s", "ratio"):
        table.add_column(heading, justify="right")
    rows = []
    with TemporaryDirectory() as folder:
        floor_uri = register_floor(Path(folder))
        with served(tracking_uri(settings.tracking_uri)) as port, served(floor_uri) as floor_port:
            for batch in BATCHES:
                for clients in CLIENTS:
                    model, floor = (
                        measured(at, images, batch, clients) for at in (port, floor_port)
                    )
                    ratio = model.median_ms / floor.median_ms
                    row = {"batch": batch, "clients": clients, "median_ratio": ratio}
                    rows.append({**row, "champion": vars(model), "floor": vars(floor)})
                    table.add_row(
                        str(batch),
                        str(clients),
                        f"{model.median_ms:.1f} ({floor.median_ms:.1f})",
                        f"{model.slowest_percent_ms:.1f} ({floor.slowest_percent_ms:.1f})",
                        f"{model.images_a_second:.0f} ({floor.images_a_second:.0f})",
                        f"{ratio:.2f}",
                    )
    Console().print(table)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": joblib.cpu_count(),
        "workers": settings.serve_workers,
    }
    write_json(REPORT, {"machine": machine, "seconds_a_cell": SECONDS, "rows": rows})


def encoded_images(mnist_dir: Path | None) -> list[str]:
    """The first thousand test images as PNG, in base64."""
    fetch(RAW, mnist_dir, print)
    encoded = []
    for pixels in load(RAW).test_images[:1000]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        encoded.append(base64.b64encode(buffer.getvalue()).decode())
    return encoded


def register_floor(folder: Path) -> str:
    """A tracking store whose champion is the stand-in; its address."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    location = (folder / "artifacts").as_uri()
    with mlflow.start_run(experiment_id=mlflow.create_experiment("floor", location)):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(STAND_IN),
            signature=ModelSignature(Schema([ColSpec("string", "image")])),
            pip_requirements=["mlflow"],
            model_config={"max_pixels": 1},
            registered_model_name="hpoe-digits",
        )
    version = logged.registered_model_version
    mlflow.MlflowClient().set_registered_model_alias("hpoe-digits", "champion", version)
    return uri


@contextmanager
def served(uri: str) -> Iterator[int]:
    """`hpoe serve` of a tracking store's champion; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [str(Path(sys.executable).with_name("hpoe")), "serve", "--port", str(port)]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not answers(port):
            if process.poll() is not None:
                raise ServingError(f"the champion of {uri} is not served: `hpoe serve` says why")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether a server answers there."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok
    except requests.RequestException:
        return False


def measured(port: int, images: list[str], batch: int, clients: int) -> Measured:
    """What clients in another process see."""
    with get_context("spawn").Pool(1) as pool:
        seconds, duration = pool.apply(ask, (port, bodies(images, batch), clients))
    milliseconds = 1000 * np.array(seconds)
    return Measured(
        median_ms=float(np.median(milliseconds)),
        slowest_percent_ms=float(np.quantile(milliseconds, 0.99)),
        images_a_second=len(seconds) * batch / duration,
    )


def bodies(images: list[str], batch: int) -> list[bytes]:
    """Requests that have, together, each image once."""
    starts = range(0, len(images), batch)
    tables: list[dict[str, Any]] = [{"inputs": images[at : at + batch]} for at in starts]
    return [json.dumps(table).encode() for table in tables]


def ask(port: int, tables: list[bytes], clients: int) -> tuple[list[float], float]:
    """Seconds to each answer, and in all, of clients that ask without pause after warming up."""
    start = time.perf_counter() + 1.0
    end = start + SECONDS

    def client(number: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        seconds = []
        for body in cycle(tables[number % len(tables) :] + tables[: number % len(tables)]):
            sent = time.perf_counter()
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            assert response.status == 200
            answered = time.perf_counter()
            if answered > start:
                seconds.append(answered - sent)
            if answered > end:
                break
        connection.close()
        return seconds

    with ThreadPoolExecutor(clients) as pool:
        seconds = [second for part in pool.map(client, range(clients)) for second in part]
    return seconds, time.perf_counter() - start


if __name__ == "__main__":
    main()
