"""Measure the training rate of a layer against the matrix products' own.

The floor of an update is its five matrix products: two of data and weights, one of hidden states
and weights, two of the statistics. Both are measured in turn, in the same processes, on the same
shapes, with one thread each; the fraction is the floor's best time over the training's.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from hpoe.files import write_json
from hpoe.parallel import run_tasks
from hpoe.params import Recipe, load_params
from hpoe.rbm import ContrastiveDivergence, initial_state
from hpoe.settings import load_settings

REPORT = Path("reports/benchmarks/training.json")
IMAGES = 4400
REPEATS = 7
SHAPES = ((784, 500), (500, 500), (784, 100), (100, 100))


def main() -> None:
    """Print and keep a row a shape: GFLOP/s of training and of its products, and their ratio."""
    workers = load_settings().workers
    recipe = load_params().networks["default"]
    table = Table(title=f"A layer's training, {workers} processes of one thread each")
    for heading in ("visible x hidden", "ms an epoch", "GFLOP/s", "products alone", "fraction"):
        table.add_column(heading, justify="right")
    rows = {}
    for visible, hidden in SHAPES:
        sized = recipe.model_copy(update={"units": (hidden, hidden, hidden)})
        tasks = [(sized, visible, worker) for worker in range(workers)]
        measured = list(run_tasks(measure, tasks, workers))
        training, products = (float(np.mean(times)) for times in zip(*measured, strict=True))
        gigaflop = 5 * 2 * IMAGES * visible * hidden / 1e9 * workers
        row = {
            "seconds_an_epoch": training,
            "gflops": gigaflop / training,
            "gflops_products": gigaflop / products,
            "roofline_fraction": products / training,
        }
        rows[f"{visible}x{hidden}"] = row
        table.add_row(
            f"{visible} x {hidden}",
            f"{training * 1e3:.0f}",
            f"{row['gflops']:.0f}",
            f"{row['gflops_products']:.0f}",
            f"{row['roofline_fraction']:.2f}",
        )
    Console().print(table)
    machine = {"processor": platform.processor() or platform.machine(), "workers": workers}
    write_json(REPORT, {"machine": machine, "minibatch_size": recipe.minibatch_size, "rows": rows})


def measure(task: tuple[Recipe, int, int]) -> tuple[float, float]:
    """Seconds of an epoch of training, and of its matrix products alone; the best of some."""
    recipe, visible, worker = task
    torch.set_num_threads(1)
    rng = np.random.default_rng(worker)
    data = torch.from_numpy(rng.random((IMAGES, visible), dtype=np.float32))
    state = initial_state(recipe, 1, visible, rng)
    divergence = ContrastiveDivergence(state, recipe)
    size, hidden = recipe.minibatch_size, recipe.units[0]
    v, h = data[:size].clone(), torch.rand(size, hidden)
    weights, out_v, out_h = state.rbm.weights.clone(), torch.empty_like(v), torch.empty_like(h)
    statistics = torch.empty_like(weights)

    def products() -> None:
        for _ in range(IMAGES // size):
            torch.mm(v, weights, out=out_h)
            torch.mm(h, weights.t(), out=out_v)
            torch.mm(v, weights, out=out_h)
            torch.mm(v.t(), h, out=statistics)
            torch.mm(v.t(), h, out=statistics)

    def training() -> None:
        divergence.epoch(data, rng, recipe, epoch=1)

    seconds = [(seconds_of(training), seconds_of(products)) for _ in range(1 + REPEATS)]
    return min(t for t, _ in seconds[1:]), min(p for _, p in seconds[1:])  # the first warms up


def seconds_of(work: Callable[[], None]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
