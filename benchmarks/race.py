"""Contenders train ten digits' RBMs on this machine's cores, each at its best.

The cores can be used in two ways: one digit per process with one thread, as many processes as
cores; or one digit after another, with all cores in one process. Every contender is timed in both
ways, and the faster one counts. Core seconds are kept as well: other work on the machine changes
them less.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from statistics import median
from time import process_time
from typing import Literal

import joblib
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from benchmarks.contenders import CONTENDERS, HPOE, PEERS, Work
from benchmarks.measuring import timed
from hpoe.compute.parallel import run_tasks
from hpoe.data.split import labels_in, load_class
from hpoe.method.rbm import RBM, hidden_probabilities, visible_probabilities, visible_units

Way = Literal["processes", "threads"]
Taken = tuple[float, float]
"""Wall-clock seconds, and core seconds."""


@dataclass(frozen=True)
class Result:
    """A contender's training of all digits."""

    way: Way
    seconds: tuple[float, ...]
    """All digits, one number per repeat."""
    images_a_second: float
    """In the fastest repeat."""
    images_a_second_median: float
    core_seconds: float
    """In the repeat that took the fewest."""
    seconds_the_other_way: float
    reconstruction_error: float
    """Squared error per held-out image, from v to p(h|v) to p(v|h); mean over the digits."""


@dataclass(frozen=True)
class _Task:
    contender: str
    work: Work
    digit: str
    split: Path
    out: Path
    threads: int


def race(work: Work, split: Path, out: Path, workers: int, repeats: int) -> dict[str, Result]:
    """Time all contenders in turn."""
    tasks = {
        name: [_Task(name, work, digit, split, out, 1) for digit in labels_in(split)]
        for name in CONTENDERS
    }
    list(run_tasks(_warm_up, range(workers), workers))
    apart: dict[str, list[Taken]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name, taken in apart.items():
            taken.append(_apart(tasks[name], workers))
    errors = {name: float(np.mean([_error(task) for task in tasks[name]])) for name in CONTENDERS}
    images = work.recipe.epochs * sum(
        len(load_class(split, d).unsupervised) for d in labels_in(split)
    )
    return {
        name: _result(
            images, apart[name], _together(tasks[name], apart[name], repeats), errors[name]
        )
        for name in CONTENDERS
    }


def speedup_over_fastest_peer(results: dict[str, Result]) -> float:
    """Images per second of hpoe over those of the fastest other library."""
    return results[HPOE].images_a_second / max(results[name].images_a_second for name in PEERS)


def core_speedup(results: dict[str, Result]) -> float:
    """The same in images per core second."""
    return min(results[name].core_seconds for name in PEERS) / results[HPOE].core_seconds


def mean_image_error(split: Path) -> float:
    """Reconstruction error of a model that knows only the mean image of its digit."""
    errors = []
    for digit in labels_in(split):
        images = load_class(split, digit)
        train, heldout = visible_units(images.unsupervised), visible_units(images.validation)
        errors.append(float((heldout - train.mean(0)).square().sum(1).mean()))
    return float(np.mean(errors))


def _apart(tasks: Sequence[_Task], workers: int) -> Taken:
    """Time one digit per process."""
    return timed(lambda: sum(run_tasks(_train, tasks, workers)))


def _together(tasks: Sequence[_Task], apart: Sequence[Taken], repeats: int) -> list[Taken]:
    """Time all cores in this process: once, and more often only if that is the faster way."""
    cores = joblib.cpu_count()
    threaded = [replace(task, threads=cores) for task in tasks]
    taken: list[Taken] = []
    with threadpool_limits(cores):
        while not taken or (taken[0] < min(apart) and len(taken) < repeats):
            taken.append(timed(lambda: sum(map(_train, threaded))))
    return taken


def _result(images: int, apart: list[Taken], together: list[Taken], error: float) -> Result:
    way: Way = "processes" if min(apart) <= min(together) else "threads"
    best, other = (apart, together) if way == "processes" else (together, apart)
    seconds = tuple(taken[0] for taken in best)
    return Result(
        way,
        seconds,
        images_a_second=images / min(seconds),
        images_a_second_median=images / median(seconds),
        core_seconds=min(taken[1] for taken in best),
        seconds_the_other_way=min(other)[0],
        reconstruction_error=error,
    )


def _warm_up(_: int) -> None:
    """Import the libraries in a worker."""
    for module in ("learnergy.models.bernoulli", "rbms.training.pcd", "sklearn.neural_network"):
        import_module(module)


def _train(task: _Task) -> float:
    """Train one digit and save its RBM; return core seconds, reading the images included."""
    torch.set_num_threads(task.threads)

    def train() -> None:
        images = visible_units(load_class(task.split, task.digit).unsupervised)
        rbm = CONTENDERS[task.contender](images, task.work)
        save_file({name: part.numpy() for name, part in vars(rbm).items()}, _path(task))

    return timed(train, process_time)[0]


def _path(task: _Task) -> Path:
    return task.out / f"{task.contender}-{task.work.units}-{task.digit}.safetensors"


def _error(task: _Task) -> float:
    parts = {name: torch.from_numpy(array) for name, array in load_file(_path(task)).items()}
    rbm, v = RBM(**parts), visible_units(load_class(task.split, task.digit).validation)
    again = visible_probabilities(rbm, hidden_probabilities(rbm, v))
    return float((again - v).square().sum(1).mean())
