"""One worker and two, joblib and Ray: the first layer of the default network, all ten digits.

Ray's cluster is real: a head without cores and two nodes with one core each, on this machine. All
ways are timed in turn, in the state in which a stage starts: no worker runs yet, and no cluster is
connected; that start is timed by itself as well. One worker is this process, which runs already.
The layer's products alone tell the best speed-up that two cores can give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, TypeVar

import typer
from joblib.externals.loky import get_reusable_executor
from rich.table import Table

from benchmarks import floor
from benchmarks.measuring import console, machine, split_into, table, timed
from hpoe.compute.parallel import run_tasks
from hpoe.compute.progress import Board
from hpoe.data.split import labels_in
from hpoe.files import write_json
from hpoe.method.recipe import Recipe
from hpoe.params import Params, load_params
from hpoe.reporting import report_errors
from hpoe.settings import Settings, load_settings
from hpoe.training.dispatch import train
from hpoe.training.tasks import TrainingTask, training_task
from tests.unit.nodes import NODES, two_nodes

REPORT = Path("reports/benchmarks/scaling.json")
Task = TypeVar("Task")


@dataclass(frozen=True)
class Way:
    """Where tasks run."""

    workers: int
    ray_address: str | None = None


@dataclass(frozen=True)
class Seconds:
    """What one way takes to train, and the start alone, by repeat."""

    whole: list[float]
    start: list[float]


@report_errors
def main(
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    ray: Annotated[bool, typer.Option(help="Time Ray as well.")] = True,
) -> None:
    """Print and keep seconds by way."""
    params, settings = load_params(), load_settings()
    recipe = replace(params.networks["default"].recipe, epochs=epochs)
    params = params.model_copy(update={"networks": {"default": recipe}})
    ways = {"1 worker": Way(1), f"{NODES} workers": Way(NODES)}
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        if ray:
            with two_nodes() as cluster:
                every = {**ways, f"Ray, {NODES} nodes": Way(NODES, cluster.address)}
                seconds = _time(every, Path(folder), params, repeats)
        else:
            seconds = _time(ways, Path(folder), params, repeats)
    products = _products_over_one(recipe)
    least = {name: min(each.whole) for name, each in seconds.items()}
    start = {name: min(each.start) for name, each in seconds.items()}
    one, two = least["1 worker"], least[f"{NODES} workers"]
    report = {
        "machine": machine(NODES),
        "epochs": epochs,
        "seconds": {name: each.whole for name, each in seconds.items()},
        "seconds_to_start": {name: each.start for name, each in seconds.items()},
        "two_workers_over_one": one / two,
        "two_started_workers_over_one": one / (two - start[f"{NODES} workers"]),
        "products_alone_over_one": products,
        "ray_over_joblib": least[f"Ray, {NODES} nodes"] / two if ray else None,
    }
    write_json(REPORT, report)
    shown = _table(seconds, least, start, f"First layers of ten digits, {epochs} epochs")
    shown.add_row(f"(products alone, {NODES} processes)", "", "", "", "", f"{products:.2f}")
    console.print(shown)


def _table(
    seconds: dict[str, Seconds], least: dict[str, float], start: dict[str, float], title: str
) -> Table:
    """One row per way."""
    headings = ("", "seconds", "median", "of these to start", "over one worker", "once started")
    shown = table(title, *headings)
    one = least["1 worker"]
    for name, each in seconds.items():
        figures = (least[name], median(each.whole), start[name])
        ratios = (one / least[name], one / (least[name] - start[name]))
        shown.add_row(name, *(f"{figure:.2f}" for figure in (*figures, *ratios)))
    return shown


def _time(ways: dict[str, Way], split: Path, params: Params, repeats: int) -> dict[str, Seconds]:
    seconds = {name: Seconds([], []) for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].start.append(_seconds(way, _begin, range(way.workers)))
            with TemporaryDirectory() as folder:
                seconds[name].whole.append(
                    _seconds(way, train, _tasks(params, split, Path(folder)))
                )
    return seconds


def _tasks(params: Params, split: Path, folder: Path) -> list[TrainingTask]:
    """The tasks of a layer stage whose store is empty."""
    settings = Settings(state_dir=folder)
    board = folder / "board"
    labels = labels_in(split)
    Board.create(board, len(labels))
    return [
        training_task(
            params,
            settings,
            "default",
            1,
            digit,
            split=split,
            models=folder / "models",
            board=board,
            position=position,
            stage="benchmark",
        )
        for position, digit in enumerate(labels)
    ]


def _seconds(way: Way, function: Callable[[Task], object], tasks: Sequence[Task]) -> float:
    """Time tasks when no worker has started."""
    get_reusable_executor().shutdown(wait=True)  # joblib would keep its workers
    return timed(lambda: list(run_tasks(function, tasks, way.workers, way.ray_address)))[0]


def _begin(_: int) -> None:
    """Do nothing, in a worker that has imported what trains."""
    import hpoe.training.layer  # noqa: F401


def _products_over_one(recipe: Recipe) -> float:
    """Compute how much faster two processes make a layer's products than one."""
    one, two = (
        floor.measure_layer(recipe, floor.VISIBLE, recipe.units[0], workers, floor.REPEATS)
        for workers in (1, NODES)
    )
    return two.gflops_products / one.gflops_products


if __name__ == "__main__":
    typer.run(main)
