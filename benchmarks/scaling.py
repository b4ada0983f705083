"""One worker and two, joblib and Ray: the first layer of the default network, all ten digits.

Ray's cluster is real, with a head without cores and two nodes of one core each, on this machine.
Every way is timed in turn, as a stage meets it: no worker has started yet, and a cluster is not
connected. What two cores can at best do more than one here, the layer's products alone tell.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from joblib.externals.loky import get_reusable_executor
from rich.table import Table

from benchmarks import floor, hierarchies
from benchmarks.digits import console, split_into
from benchmarks.machine import machine
from hpoe.data.split import digits_in
from hpoe.files import write_json
from hpoe.parallel import run_tasks
from hpoe.params import Recipe, load_params
from hpoe.settings import load_settings
from hpoe.stage import report_errors
from tests.unit.nodes import NODES, two_nodes

REPORT = Path("reports/benchmarks/scaling.json")


@dataclass(frozen=True)
class Way:
    """Where tasks run."""

    workers: int
    ray_address: str | None = None


@report_errors
def main(
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    ray: Annotated[bool, typer.Option(help="Ray as well.")] = True,
) -> None:
    """Print and keep seconds by way."""
    params, settings = load_params(), load_settings()
    recipe = params.networks["default"].model_copy(update={"epochs": epochs})
    ways = {"1 worker": Way(1), f"{NODES} workers": Way(NODES)}
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        if ray:
            with two_nodes() as cluster:
                every = {**ways, f"Ray, {NODES} nodes": Way(NODES, cluster.address)}
                seconds = _time(every, Path(folder), recipe, repeats)
        else:
            seconds = _time(ways, Path(folder), recipe, repeats)
    products = _products_over_one(recipe)
    least = {name: min(each) for name, each in seconds.items()}
    two = least[f"{NODES} workers"]
    report = {
        "machine": machine(NODES),
        "epochs": epochs,
        "seconds": seconds,
        "two_workers_over_one": least["1 worker"] / two,
        "products_alone_over_one": products,
        "ray_over_joblib": least[f"Ray, {NODES} nodes"] / two if ray else None,
    }
    write_json(REPORT, report)
    table = Table(title=f"Ten digits' first layers, {epochs} epochs")
    for heading in ("", "seconds", "median", "over one worker"):
        table.add_column(heading, justify="right")
    for name, each in seconds.items():
        times = least["1 worker"] / least[name]
        table.add_row(name, f"{least[name]:.2f}", f"{median(each):.2f}", f"{times:.2f}")
    table.add_row(f"(products alone, {NODES} processes)", "", "", f"{products:.2f}")
    console.print(table)


def _time(
    ways: dict[str, Way], split: Path, recipe: Recipe, repeats: int
) -> dict[str, list[float]]:
    job = hierarchies.Job(hierarchies.HPOE, recipe, seed=1)
    tasks = [hierarchies.Task(job, split, digit) for digit in digits_in(split)]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            get_reusable_executor().shutdown(wait=True)  # joblib's, which it would keep
            start = time.perf_counter()
            list(run_tasks(hierarchies.train_first_layer, tasks, way.workers, way.ray_address))
            seconds[name].append(time.perf_counter() - start)
    return seconds


def _products_over_one(recipe: Recipe) -> float:
    """How much faster two processes make a layer's products than one."""
    one, two = (
        floor.measure_layer(recipe, floor.VISIBLE, recipe.units[0], workers, floor.REPEATS)
        for workers in (1, NODES)
    )
    return two.gflops_products / one.gflops_products


if __name__ == "__main__":
    typer.run(main)
