"""Measure scoring of 10,000 test images under thirty models against its matrix products alone.

Both are timed in turn, a thousand images at a time, in one process with one thread per worker. The
peak memory of a process that scores, and of one that trains, is measured as well.
"""

import resource
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from benchmarks.floor import IMAGES, VISIBLE
from benchmarks.measuring import console, machine, table, timed
from hpoe.compute.parallel import run_tasks
from hpoe.evaluation.scoring import IMAGES_AT_ONCE
from hpoe.files import write_json
from hpoe.method.hierarchy import layer_goodness
from hpoe.method.products import affine
from hpoe.method.rbm import RBM, ContrastiveDivergence, initial_state
from hpoe.method.recipe import Recipe
from hpoe.params import load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings

REPORT = Path("reports/benchmarks/classification.json")
TEST_IMAGES, DIGITS, REPEATS = 10_000, 10, 60


@report_errors
def main() -> None:
    """Print and keep what classification takes on this machine."""
    recipe, workers = load_params().networks["default"].recipe, load_settings().workers
    seconds = np.array(list(run_tasks(_measure, [recipe] * workers, workers)))  # [workers, 2, N]
    shares = TEST_IMAGES / IMAGES_AT_ONCE * DIGITS / workers
    least, median = seconds.min(axis=2).mean(axis=0), np.median(seconds, axis=2).mean(axis=0)
    peaks = {"scoring": _score_once, "training": _train_once}
    peak = {name: _in_a_new_process(work, recipe) / 2**20 for name, work in peaks.items()}
    report = {
        "machine": machine(workers),
        "seconds": shares * least[0],
        "seconds_median": shares * median[0],
        "seconds_products": shares * least[1],
        "seconds_products_median": shares * median[1],
        "times_the_products": least[0] / least[1],
        "peak_mib_a_process": peak,
    }
    write_json(REPORT, report)
    shown = table(
        f"{TEST_IMAGES:,} images under thirty models, {workers} processes", "", "seconds", "median"
    )
    labels = {"seconds": "goodness of all layers", "seconds_products": "products alone"}
    for name, label in labels.items():
        shown.add_row(label, f"{report[name]:.2f}", f"{report[name + '_median']:.2f}")
    console.print(shown)
    held = ", ".join(f"{name} {size:.0f} MiB" for name, size in peak.items())
    console.print(
        f"{report['times_the_products']:.2f} times the products; peak per process: {held}"
    )


def _measure(recipe: Recipe) -> tuple[list[float], list[float]]:
    """Time a thousand images under one digit's models, and the matrix products alone."""
    torch.set_num_threads(1)
    hierarchy, v = _models(recipe), _images(IMAGES_AT_ONCE)
    inputs = [v, *(torch.rand(len(v), units) for units in recipe.units[:-1])]

    def scoring() -> None:
        layer_goodness(hierarchy, v)

    def products() -> None:
        for x, rbm in zip(inputs, hierarchy, strict=True):
            affine(x, rbm.weights)

    works: tuple[Callable[[], None], ...] = scoring, products
    with torch.inference_mode():
        seconds = np.array([[timed(work)[0] for work in works] for _ in range(REPEATS)])
    return seconds[:, 0].tolist(), seconds[:, 1].tolist()


def _in_a_new_process(work: Callable[[Recipe], int], recipe: Recipe) -> int:
    """Run in a new process: a peak is that of everything a process has done."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (recipe,))


def _score_once(recipe: Recipe) -> int:
    """Score the test images under one digit's models; return the process's peak in bytes."""
    torch.set_num_threads(1)
    hierarchy, v = _models(recipe), _images(TEST_IMAGES)
    for part in torch.split(v, IMAGES_AT_ONCE):
        layer_goodness(hierarchy, part)
    return _peak()


def _train_once(recipe: Recipe) -> int:
    """Train the first layer of one digit for an epoch; return the process's peak in bytes."""
    torch.set_num_threads(1)
    rng = np.random.Generator(np.random.SFC64(1))
    state = initial_state(recipe, 1, VISIBLE, rng)
    ContrastiveDivergence(state, recipe).epoch(_images(IMAGES), rng, recipe, 0)
    return _peak()


def _models(recipe: Recipe) -> list[RBM]:
    """Make three untrained RBMs: what they have learned does not matter for time."""
    rng = np.random.Generator(np.random.SFC64(0))
    sizes = VISIBLE, *recipe.units
    return [initial_state(recipe, n + 1, sizes[n], rng).rbm for n in range(len(recipe.units))]


def _images(count: int) -> torch.Tensor:
    return torch.rand(count, VISIBLE)


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
