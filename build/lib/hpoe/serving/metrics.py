"""What Prometheus is told: of requests, and of what the model answered.

With several workers each counts into files of its own, and whichever is asked adds all of them up
(prometheus_client's multiprocess mode, which PROMETHEUS_MULTIPROC_DIR switches on).
"""

import os
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
PERCENTILES = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100)
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SCORES = (*(-step for step in reversed(STEPS)), 0, *STEPS)


class Metrics:
    """The counts of this process, labelled with the version of the model that it serves."""

    def __init__(self, version: str) -> None:
        disable_created_metrics()
        self._version = version
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "hpoe_requests",
            "Requests, by path and status; errors are those with a status of 400 or more",
            ["path", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "hpoe_request_seconds",
            "Seconds from a request's first line to its answer",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self._records = Histogram(
            "hpoe_records_per_request",
            "Records of the requests that were answered",
            ["version"],
            buckets=RECORDS,
            registry=registry,
        )
        self._digits = Counter(
            "hpoe_digits",
            "Records answered, by the digit",
            ["version", "digit"],
            registry=registry,
        )
        self._refused = Counter(
            "hpoe_refused",
            "Records that do not look like a digit: divided by hpoe_digits_total, their share",
            ["version"],
            registry=registry,
        )
        self._scores = Histogram(
            "hpoe_digit_score",
            "How much a record looks like a digit; a shift is a sign of drift",
            ["version"],
            buckets=SCORES,
            registry=registry,
        )
        self._typicalities = Histogram(
            "hpoe_typicality",
            "Percentile among held-out images of the digit; without drift about uniform",
            ["version"],
            buckets=PERCENTILES,
            registry=registry,
        )

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def count_answers(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """Count what the model answered to a request's records."""
        self._records.labels(self._version).observe(len(answers))
        for digit, count in Tally(answer["digit"] for answer in answers).items():
            self._digits.labels(self._version, digit).inc(count)
        refused = sum(not answer["looks_like_digit"] for answer in answers)
        self._refused.labels(self._version).inc(refused)
        scores = self._scores.labels(self._version)
        typicalities = self._typicalities.labels(self._version)
        for answer in answers:
            scores.observe(answer["digit_score"])
            typicalities.observe(answer["typicality"])

    def exposition(self) -> bytes:
        """The counts of all workers, in Prometheus's text form."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)
