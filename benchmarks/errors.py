"""Error against seconds of training, for several numbers of epochs, beside scikit-learn's RBMs.

    python -m benchmarks.errors --epochs 10 --epochs 30 --seeds 1 --seeds 2 --seeds 3

The report is written after every run, and the runs in it are kept: run the command again to resume,
or with `--anew` to start over. Seconds are core seconds over the number of workers, which is what
training takes on an idle machine, because all digits take equally long.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import hierarchies, pictures
from benchmarks.measuring import console, machine, split_into, table
from hpoe.evaluation import drawing
from hpoe.evaluation.refitting import best, refit, soft_choices
from hpoe.evaluation.scoring import labelled_images
from hpoe.files import write_json
from hpoe.params import Params, load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe.training.layer import VERSION

REPORT, PICTURE = (Path(f"reports/benchmarks/errors.{kind}") for kind in ("json", "png"))
TEMPERATURES = (5.0, 10.0, 20.0)
"""Of the soft choice among shifts; validation has not preferred others by more than chance."""
EPOCHS, SEEDS = (10, 15, 30, 100), (1, 2, 3)
TARGETS = {"as_given": (0.018, 0.017), "soft_shifts": (0.0135, 0.011)}
"""Test errors to reach, by choice among shifts."""


@dataclass(frozen=True)
class Run:
    """Thirty trained RBMs and their errors."""

    method: str
    images: str
    epochs: int
    seed: int
    version: int
    """Version of the arithmetic of training."""
    core_seconds: float
    seconds: float
    """Core seconds over the number of workers."""
    as_given: tuple[float, float]
    """Validation and test error; images as given."""
    soft_shifts: tuple[float, float]


@report_errors
def main(
    epochs: Annotated[list[int], typer.Option(min=1)] = list(EPOCHS),  # noqa: B006 - Typer's way
    seeds: Annotated[list[int], typer.Option(min=0)] = list(SEEDS),  # noqa: B006
    methods: Annotated[list[str], typer.Option()] = list(hierarchies.METHODS),  # noqa: B006
    anew: Annotated[bool, typer.Option(help="Discard the runs of the report.")] = False,
) -> None:
    """Print, draw and keep how errors fall with the time of training."""
    params, settings = load_params(), load_settings()
    runs = [] if anew else _runs()
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        for job in hierarchies.jobs(params, methods, epochs, seeds):
            key = job.method, job.images, job.epochs, job.seed, VERSION
            if key in {(r.method, r.images, r.epochs, r.seed, r.version) for r in runs}:
                continue
            core_seconds, scores = hierarchies.train(job, Path(folder), settings.workers)
            seconds = core_seconds / settings.workers
            errors = _judge(params, Path(folder), scores)
            runs.append(Run(*key, core_seconds, seconds, *errors))
            console.print(f"{runs[-1]}")
            _report(runs, settings.workers)
    curves = _curves(runs)
    console.print(_table(curves))
    drawing.save(pictures.errors(curves), PICTURE)
    console.print(f"{REPORT}, {PICTURE}")


def _judge(
    params: Params, split: Path, scores: NDArray[np.float64]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Classify scores [S, N, M] of images as given, and after the best soft choice; the errors."""
    frame, _ = labelled_images(split)
    plain = refit(params.classifier, frame, scores[0])
    softened = soft_choices(scores, TEMPERATURES)
    outcomes = {t: refit(params.classifier, frame, each) for t, each in softened.items()}
    pairs = [
        (outcome.rates["validation_error_rate"], outcome.rates["test_error_rate"])
        for outcome in (plain, outcomes[best(outcomes)])
    ]
    return pairs[0], pairs[1]


def _runs() -> list[Run]:
    """Read the runs of the report."""
    if not REPORT.exists():
        return []
    return [
        Run(**{**run, "as_given": tuple(run["as_given"]), "soft_shifts": tuple(run["soft_shifts"])})
        for run in json.loads(REPORT.read_text())["runs"]
    ]


def _curves(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per method, kind of images, choice and number of epochs: means over the seeds."""
    rows = [
        {
            **{name: getattr(run, name) for name in ("method", "images", "epochs", "seconds")},
            **dict(zip(("validation", "test"), getattr(run, choice), strict=True)),
            "choice": choice,
            "seeds": 1,
        }
        for run in runs
        for choice in TARGETS
    ]
    keys = ["method", "images", "choice", "epochs"]
    means = {"seconds": "mean", "validation": "mean", "test": "mean", "seeds": "sum"}
    return pd.DataFrame(rows).groupby(keys, sort=True).agg(means).reset_index()


def seconds_to_error(curves: pd.DataFrame, choice: str, error: float) -> float | None:
    """Seconds of the fewest epochs whose mean test error is as low; None if there are none."""
    reached = curves[(curves["choice"] == choice) & (curves["test"] <= error)]
    return None if reached.empty else float(reached["seconds"].min())


def _report(runs: Sequence[Run], workers: int) -> None:
    curves = _curves(runs)
    found: dict[str, Any] = {
        f"{method}, {images}": {
            str(error): seconds_to_error(part, choice, error)
            for choice, errors in TARGETS.items()
            for error in errors
        }
        for (method, images), part in curves.groupby(["method", "images"])
    }
    report = {"machine": machine(workers), "seconds_to_error": found}
    rows = curves.to_dict(orient="records")
    write_json(REPORT, {**report, "curves": rows, "runs": [asdict(run) for run in runs]})


def _table(curves: pd.DataFrame) -> Table:
    shown = table(
        "Thirty RBMs and their classifier; seconds of training; means over seeds",
        *("by", "images", "choice", "epochs", "seconds", "validation", "test", "seeds"),
        left=("by", "images", "choice"),
    )
    for row in curves.itertuples():
        errors = f"{row.validation:.2%}", f"{row.test:.2%}"
        who = str(row.method), str(row.images), str(row.choice)
        shown.add_row(*who, str(row.epochs), f"{row.seconds:.1f}", *errors, str(row.seeds))
    return shown


if __name__ == "__main__":
    typer.run(main)
