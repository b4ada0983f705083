"""Measure the estimators against scikit-learn's BernoulliRBM, and against the pipeline's kernel.

Data, epochs and minibatches are the same, and each repeat runs all contenders, one after another.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from sklearn.neural_network import BernoulliRBM as Reference
from threadpoolctl import threadpool_limits

from benchmarks.measuring import console, machine, table, timed
from hpoe import BernoulliRBM
from hpoe.data.mnist import fetch, load
from hpoe.execution.pipeline import RAW
from hpoe.method.fitting import fit_rbm
from hpoe.method.randomness import generator
from hpoe.method.recipe import Recipe
from hpoe.reporting import report_errors
from hpoe.settings import load_settings

IMAGES, MINIBATCH = 4400, 100
UNITS = (500, 100)


@report_errors
def main(
    epochs: Annotated[int, typer.Option(min=1, help="Of each contender.")] = 3,
    repeats: Annotated[int, typer.Option(min=1, help="Of each contender.")] = 5,
) -> None:
    """Print seconds, and their ratios within one run."""
    fetch(RAW, load_settings().mnist_dir, console.print)
    X = load(RAW).train_images[:IMAGES].reshape(IMAGES, -1).astype(np.float32) / 255
    shown = table(
        f"{IMAGES} images, minibatches of {MINIBATCH}, epochs: {epochs}; median of {repeats}",
        *("cores", "units", "what", "hpoe, s", "scikit-learn, s", "speedup", "over the kernel"),
        left=("what",),
    )
    for cores in sorted({1, min(2, torch.get_num_threads())}):
        for units in UNITS:
            for row in _rows(X, units, epochs, repeats, cores):
                shown.add_row(str(cores), str(units), *row)
    console.print(shown)
    console.print(machine(torch.get_num_threads()))


def _rows(X: Any, units: int, epochs: int, repeats: int, cores: int) -> list[tuple[str, ...]]:  # noqa: ANN401
    settings: dict[str, Any] = {"batch_size": MINIBATCH, "n_iter": epochs, "random_state": 0}
    ours, theirs = BernoulliRBM(units, **settings), Reference(units, **settings)
    from_data = BernoulliRBM(units, persistent=False, **settings)
    fitted = ours.fit(X), theirs.fit(X)
    work: dict[str, Callable[[], object]] = {
        "fit": partial(ours.fit, X),
        "fit, scikit-learn": partial(theirs.fit, X),
        "fit, CD-1": partial(from_data.fit, X),
        "kernel": partial(_kernel, torch.from_numpy(X), units, epochs),
    }
    for method in ("transform", "score_samples"):
        work[method] = partial(getattr(fitted[0], method), X)
        work[f"{method}, scikit-learn"] = partial(getattr(fitted[1], method), X)
    torch.set_num_threads(cores)
    with threadpool_limits(limits=cores):
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(repeats):
            for name, task in work.items():
                times[name].append(timed(task)[0])
    seconds = {name: median(each) for name, each in times.items()}
    rows: list[tuple[str, ...]] = []
    for name in ("fit", "fit, CD-1", "transform", "score_samples"):
        own, other = seconds[name], seconds[f"{name.partition(',')[0]}, scikit-learn"]
        over = f"{own / seconds['kernel']:.2f}" if name.startswith("fit") else ""
        rows.append((name, f"{own:.3f}", f"{other:.3f}", f"{other / own:.2f}", over))
    return rows


def _kernel(data: torch.Tensor, units: int, epochs: int) -> None:
    """Train as a stage of the pipeline does, without curves."""
    recipe = Recipe(
        images="as_given",
        units=(units,),
        epochs=epochs,
        minibatch_size=MINIBATCH,
        learning_rate=0.1,
        learning_rate_schedule="constant",
        weight_decay=0.0,
        momentum=0.0,
        momentum_start=0,
        initial_standard_deviation=0.01,
    )
    fit_rbm(recipe, 1, data, partial(generator, 0, "benchmark", 1, 0))


if __name__ == "__main__":
    typer.run(main)
