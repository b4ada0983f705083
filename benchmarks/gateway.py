r"""Measure what the gateway costs: clients ask the model server through it, and directly.

    MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=... \
        python -m benchmarks.gateway http://localhost:8080 http://172.18.0.4:5001

Both ways are used in turn, in slices, so that other work on the machine affects both alike.
"""

import base64
import http.client
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.measuring import console, table
from hpoe.files import write_json

REPORT = Path("reports/benchmarks/gateway.json")
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "seven.png"
CLIENTS = 32
SECONDS = 60.0
"""Duration of the measurement, for each of the two ways."""
SLICES = 6


@dataclass
class Answers:
    """Answers that clients received in one way."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0

    def row(self) -> dict[str, float]:
        """Summarise: errors, answers per second, and milliseconds."""
        milliseconds = 1000 * np.array(self.seconds)
        return {
            "answers": len(self.seconds),
            "errors": self.errors,
            "answers_a_second": len(self.seconds) / SECONDS,
            "median_ms": float(np.median(milliseconds)),
            "slowest_percent_ms": float(np.quantile(milliseconds, 0.99)),
        }


def main() -> None:
    """Print and keep one row for each of the two ways."""
    gateway, direct = sys.argv[1:]
    name = os.environ["MLFLOW_TRACKING_USERNAME"]
    password = os.environ["MLFLOW_TRACKING_PASSWORD"]
    login = base64.b64encode(f"{name}:{password}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
    ways = {"directly": (direct, Answers()), "through the gateway": (gateway, Answers())}
    for address, _ in ways.values():
        ask(address, headers, Answers(), 1.0)  # warm up
    for _ in range(SLICES):
        for address, seen in ways.values():
            ask(address, headers, seen, SECONDS / SLICES)
    shown = table(
        f"{CLIENTS} clients, {SECONDS:g} s each way, one image per request",
        *("", "answers", "errors", "answers/s", "ms, median", "ms, 99 %"),
    )
    rows = {way: seen.row() for way, (_, seen) in ways.items()}
    for way, row in rows.items():
        count, errors, rate, median, slowest = row.values()
        shown.add_row(
            way, f"{count:.0f}", f"{errors:.0f}", f"{rate:.1f}", f"{median:.0f}", f"{slowest:.0f}"
        )
    console.print(shown)
    write_json(REPORT, {"clients": CLIENTS, "seconds": SECONDS, "rows": rows})


def ask(address: str, headers: dict[str, str], seen: Answers, seconds: float) -> None:
    """Let clients send requests without pause for some seconds."""
    place = urlsplit(address)
    assert place.hostname is not None
    body = json.dumps({"inputs": [base64.b64encode(IMAGE.read_bytes()).decode()]}).encode()
    end = time.perf_counter() + seconds

    def client(_: int) -> None:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
        while (sent := time.perf_counter()) < end:
            try:
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
                answered = response.read().startswith(b'{"predictions"')
            except (OSError, http.client.HTTPException):
                connection.close()
                answered = False
            if answered:
                seen.seconds.append(time.perf_counter() - sent)
            else:
                seen.errors += 1
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))


if __name__ == "__main__":
    main()
