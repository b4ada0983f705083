"""Counts of answers: by label, but by a bounded number of labels."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from hpoe.serving.metrics import MOST_LABELS, OTHER, Metrics


def counted(metrics: Metrics) -> dict[str, float]:
    """The answers of version 3, by label."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        sample.labels["label"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "hpoe_answers_total" and sample.labels["version"] == "3"
    }


def answers(labels: list[str]) -> list[dict[str, Any]]:
    """One answer for each label."""
    probabilities = dict.fromkeys(labels, 1 / len(labels))
    rest = {
        "probabilities": probabilities,
        "typicality": 50.0,
        "is_known": True,
        "known_score": 0.0,
    }
    return [{"label": label, **rest} for label in labels]


def test_of_a_thousand_classes_the_first_are_counted_each_and_the_others_together() -> None:
    metrics, labels = Metrics(), [f"class {n}" for n in range(1000)]
    for part in (answers(labels), answers(labels)[:300]):
        metrics.count_answers(3, part)
    found = counted(metrics)
    assert found.pop(OTHER) == 800 + 100
    assert found == dict.fromkeys(labels[:MOST_LABELS], 2)


def test_labels_of_any_text_are_counted_each() -> None:
    metrics = Metrics()
    labels = [
        '<b>"quoted"</b> \\ {x="y"}',
        "two\nlines",
        "\N{MAPLE LEAF}",
        "\u05e9\u05dc",
        " ",
        "#",
    ]
    metrics.count_answers(3, answers(labels))
    assert counted(metrics) == dict.fromkeys(labels, 1)
