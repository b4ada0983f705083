"""Prometheus metrics of requests and answers."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
PERCENTILES = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100)
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SCORES = (*(-step for step in reversed(STEPS)), 0, *STEPS)
MOST_LABELS = 200
"""Classes of a version that are counted each on its own, the first ones; the others share OTHER."""
OTHER = "other"


class Metrics:
    """Counts since the server's start; those of answers carry the version that gave them."""

    def __init__(self) -> None:
        disable_created_metrics()
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "hpoe_requests",
            "Requests, by path and status; errors are those with a status of 400 or more",
            ["path", "status"],
            registry=registry,
        )
        self._answers = Counter(
            "hpoe_answers", "Records answered, by label", ["version", "label"], registry=registry
        )
        self._refused = Counter(
            "hpoe_refused",
            "Records of no known class: divided by hpoe_answers_total, their share",
            ["version"],
            registry=registry,
        )

        def histogram(name: str, text: str, label: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, text, [label], buckets=buckets, registry=registry)

        self._seconds = histogram(
            "hpoe_request_seconds", "Seconds from first line to answer", "path", SECONDS
        )
        self._records = histogram(
            "hpoe_records_per_request", "Records of answered requests", "version", RECORDS
        )
        self._scores = histogram(
            "hpoe_known_score",
            "How much a record looks like an image of a known class; a shift is a sign of drift",
            "version",
            SCORES,
        )
        self._typicalities = histogram(
            "hpoe_typicality",
            "Percentile among held-out images of the class; without drift about uniform",
            "version",
            PERCENTILES,
        )

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def count_answers(self, version: int, answers: Sequence[Mapping[str, Any]]) -> None:
        """Count what a version answered to a request's records."""
        self._records.labels(version).observe(len(answers))
        counted = set(islice(answers[0]["probabilities"], MOST_LABELS))
        labels = (answer["label"] for answer in answers)
        for label, count in Tally(each if each in counted else OTHER for each in labels).items():
            self._answers.labels(version, label).inc(count)
        refused = sum(not answer["is_known"] for answer in answers)
        self._refused.labels(version).inc(refused)
        scores, typicalities = self._scores.labels(version), self._typicalities.labels(version)
        for answer in answers:
            scores.observe(answer["known_score"])
            typicalities.observe(answer["typicality"])

    def exposition(self) -> bytes:
        """The counts in Prometheus's text form."""
        return generate_latest(self._registry)
