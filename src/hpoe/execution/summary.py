"""The tables of `hpoe summary` and `hpoe models`: errors, seconds per stage, versions."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from hpoe.execution.pipeline import RECORDS, REPORTS, stage_labels
from hpoe.files import read_json
from hpoe.params import Params
from hpoe.registration.registry import Version
from hpoe.tracking.records import load_record


def error_table() -> Table:
    """Validation and test errors of the fitted classifiers.

    Raises:
        DataError: the pipeline has not run to its end.
    """
    metrics, shifts = (
        read_json(REPORTS / name, "run `dvc repro`")
        for name in ("metrics.json", "shift_normalization.json")
    )
    table = Table(title="Errors")
    table.add_column("classifier")
    for heading in ("validation", "test", "95 % interval"):
        table.add_column(heading, justify="right")
    for networks, methods in metrics.items():
        for method, rates in methods.items() if isinstance(methods, dict) else ():
            table.add_row(f"{networks}, {method.replace('_', ' ')}", *_percentages(rates))
    table.add_section()
    table.add_row("chosen, no shifts", *_percentages(shifts["as_given"]))
    table.add_row("chosen, maximum over shifts", *_percentages(shifts["maximum"]))
    temperature = shifts["soft"]["temperature"]
    table.add_row(f"chosen, soft shifts (T = {temperature:g})", *_percentages(shifts["soft"]))
    return table


def stage_table(params: Params) -> Table:
    """Seconds that each stage took when it last ran."""
    table = Table(title="Stages")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    total = 0.0
    for path in (RECORDS / f"{label}.json" for label in stage_labels(params.train)):
        if path.exists():
            run = load_record(path).stage
            seconds = ((run.end or run.start) - run.start) / 1000
            total += seconds
            table.add_row(run.name, f"{seconds:.1f}")
    table.add_section()
    table.add_row("all", f"{total:.1f}")
    return table


def version_table(name: str, versions: Sequence[Version]) -> Table:
    """The registered model's versions: aliases, networks, errors, dates, commits."""
    table = Table(title=name)
    for heading in ("version", "aliases", "networks", "validation", "test", "registered", "commit"):
        table.add_column(heading, justify="right" if heading in ("validation", "test") else "left")
    for each in versions:
        rates = (each.tags.get(f"{name}_error_rate") for name in ("validation", "test"))
        table.add_row(
            str(each.number),
            ", ".join(sorted(each.aliases)),
            each.tags.get("networks", ""),
            *(f"{float(rate):.2%}" if rate else "" for rate in rates),
            f"{datetime.fromtimestamp(each.created / 1000):%Y-%m-%d %H:%M}",
            each.tags.get("mlflow.source.git.commit", "")[:7],
        )
    return table


def _percentages(rates: dict[str, float]) -> tuple[str, str, str]:
    low, high = rates["test_error_rate_low"], rates["test_error_rate_high"]
    return (
        f"{rates['validation_error_rate']:.2%}",
        f"{rates['test_error_rate']:.2%}",
        f"{low:.2%} to {high:.2%}",
    )
