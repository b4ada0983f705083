"""Measure how fast the champion answers over HTTP, beside the floor that the server itself sets.

The floor is a model that computes nothing (the tests' stand-in), served the same way on the same
machine. Both are asked in turn, cell by cell, by the same client in a process of its own, over
connections that stay open, with bodies made beforehand.
"""

import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measuring import console, machine, table
from hpoe.data.mnist import fetch, load
from hpoe.execution.pipeline import RAW
from hpoe.files import write_json
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe.tracking.store import tracking_uri
from hpoe_recognition.images import base64_png
from tests.serving.conftest import register
from tests.serving.running import Server

REPORT = Path("reports/benchmarks/serving.json")
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
    shown = table(
        f"Serving: the champion, and (in brackets) the floor; {SECONDS:g} s per row",
        *("images per request", "clients", "ms, median", "ms, 99 %", "images/s", "ratio"),
    )
    rows = []
    with TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        addresses = {"champion": tracking_uri(settings.tracking_uri), "floor": register(folder)}
        servers = [served(folder / name, uri) for name, uri in addresses.items()]
        for server in servers:
            stack.callback(server.kill)
            server.start()
        for batch, clients in product(BATCHES, CLIENTS):
            model, floor = (measured(each.port, images, batch, clients) for each in servers)
            ratio = model.median_ms / floor.median_ms
            row = {"batch": batch, "clients": clients, "median_ratio": ratio}
            rows.append({**row, "champion": vars(model), "floor": vars(floor)})
            shown.add_row(
                str(batch),
                str(clients),
                f"{model.median_ms:.1f} ({floor.median_ms:.1f})",
                f"{model.slowest_percent_ms:.1f} ({floor.slowest_percent_ms:.1f})",
                f"{model.images_a_second:.0f} ({floor.images_a_second:.0f})",
                f"{ratio:.2f}",
            )
    console.print(shown)
    about = machine(settings.serve_workers)
    write_json(REPORT, {"machine": about, "seconds_a_cell": SECONDS, "rows": rows})


def encoded_images(mnist_dir: Path | None) -> list[str]:
    """The first thousand test images as PNG, in base64."""
    fetch(RAW, mnist_dir, print)
    return [base64_png(pixels) for pixels in load(RAW).test_images[:1000]]


def served(folder: Path, uri: str) -> Server:
    """Prepare `hpoe serve` of a tracking store's champion, with this process's settings."""
    settings = {name: text for name, text in os.environ.items() if name.startswith("HPOE_")}
    login = {name: text for name, text in os.environ.items() if name.startswith("MLFLOW_")}
    folder.mkdir()
    return Server(folder, uri, {**settings, **login})


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
