"""A layer's training against its floor: the five matrix products of each update alone.

Two products are of data and weights, one of hidden states and weights; the two of the statistics
are computed as one of stacked pairs, which is faster. Training and products are timed in turn, in
the same processes, on the same shapes, with one thread each, a few updates at a time, so that other
work on the machine affects both alike. The products are computed by oneDNN, MKL (both through
PyTorch) and OpenBLAS (NumPy, SciPy); the floor is the fastest of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.blas import sgemm
from threadpoolctl import threadpool_limits

from benchmarks.measuring import timed
from hpoe.compute.parallel import run_tasks
from hpoe.method.products import onednn
from hpoe.method.rbm import ContrastiveDivergence, initial_state
from hpoe.method.recipe import Recipe

Array = NDArray[np.float32]
Matrix = TypeVar("Matrix")
IMAGES = 4400
"""Images per epoch; the time of a few updates is scaled to that."""
VISIBLE = 784
REPEATS = 50
"""Rounds, in each of which everything is timed in turn."""
IN_A_ROW = 4
"""Consecutive timings of one thing."""
FLOP = 1e9
"""Operations per timing, about: a few milliseconds, so that many are not interrupted."""


@dataclass(frozen=True)
class Layer:
    """The measured training of one layer."""

    visible: int
    hidden: int
    minibatch: int
    seconds_an_epoch: float
    """The least of the repeats, averaged over the workers."""
    seconds_an_epoch_median: float
    seconds_products: float
    seconds_products_median: float
    products_by: str
    """The fastest library."""
    gflops: float
    gflops_products: float
    """Sum over the workers."""
    roofline_fraction: float


@dataclass(frozen=True)
class _Task:
    recipe: Recipe
    visible: int
    repeats: int
    worker: int


def measure_layer(recipe: Recipe, visible: int, hidden: int, workers: int, repeats: int) -> Layer:
    """Time the training of a layer, and its products alone, in all workers at once."""
    sized = replace(recipe, units=(hidden, hidden, hidden))
    tasks = [_Task(sized, visible, repeats, worker) for worker in range(workers)]
    measured = list(run_tasks(_measure, tasks, workers))
    epoch = IMAGES / (_updates(tasks[0]) * recipe.minibatch_size)
    seconds = epoch * np.array([list(each.values()) for each in measured])  # [workers, 4, repeats]
    least = seconds.min(axis=2).mean(axis=0)
    median = np.median(seconds, axis=2).mean(axis=0)
    fastest = 1 + least[1:].argmin()
    gigaflop = 5 * 2 * IMAGES * visible * hidden / 1e9 * workers
    return Layer(
        visible,
        hidden,
        recipe.minibatch_size,
        float(least[0]),
        float(median[0]),
        float(least[fastest]),
        float(median[fastest]),
        products_by=list(measured[0])[fastest],
        gflops=float(gigaflop / least[0]),
        gflops_products=float(gigaflop / least[fastest]),
        roofline_fraction=float(least[fastest] / least[0]),
    )


def network_fraction(layers: Sequence[Layer], hidden: int, minibatch: int) -> float:
    """Compute the products' share of the training time of three layers of so many units."""
    shapes = (VISIBLE, hidden), (hidden, hidden), (hidden, hidden)
    found = {(layer.visible, layer.hidden, layer.minibatch): layer for layer in layers}
    three = [found[*shape, minibatch] for shape in shapes]
    products = sum(layer.seconds_products for layer in three)
    return products / sum(layer.seconds_an_epoch for layer in three)


def _updates(task: _Task) -> int:
    """Number of updates per timing, at most one epoch."""
    update = 5 * 2 * task.recipe.minibatch_size * task.visible * task.recipe.units[0]
    return min(round(FLOP / update), IMAGES // task.recipe.minibatch_size)


@torch.inference_mode()
def _measure(task: _Task) -> dict[str, list[float]]:
    """Time some updates of training, and their products by each library."""
    torch.set_num_threads(1)
    rng = np.random.Generator(np.random.SFC64(task.worker))
    size, hidden, updates = task.recipe.minibatch_size, task.recipe.units[0], _updates(task)
    data = torch.from_numpy(rng.random((IMAGES, task.visible), dtype=np.float32))
    some = updates * size
    parts = cycle(torch.split(data[: IMAGES // some * some], some))
    state = initial_state(task.recipe, 1, task.visible, rng)
    divergence = ContrastiveDivergence(state, task.recipe)
    weights = state.rbm.weights.clone()
    epoch = task.recipe.epochs // 3  # with momentum, before the rate falls
    v, h = (torch.from_numpy(rng.random((2 * size, n), np.float32)) for n in (task.visible, hidden))
    factors = _factors(v, h, weights)
    arrays = [tuple(part.numpy() for part in each) for each in factors]
    works: dict[str, Callable[[], object]] = {
        "training": lambda: divergence.epoch(next(parts), rng, task.recipe, epoch),
        "oneDNN": lambda: _repeat(lambda a, b, _: onednn(a, b), factors, updates),
        "MKL": lambda: _repeat(lambda a, b, out: torch.mm(a, b, out=out), factors, updates),
        "OpenBLAS": lambda: _repeat(_by_openblas, arrays, updates),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    with threadpool_limits(limits=1):
        for _ in range(task.repeats):
            for name, work in works.items():
                work()  # the others have displaced its data from the caches
                seconds[name] += [timed(work)[0] for _ in range(IN_A_ROW)]
    return seconds


def _factors(
    v: torch.Tensor, h: torch.Tensor, weights: torch.Tensor
) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """The factors of an update's products, of pairs v [2B, V] and h [2B, H], and their outputs."""
    v0, h0 = v[: len(v) // 2], h[: len(h) // 2]
    out_v, out_h, statistics = map(torch.empty_like, (v0, h0, weights))
    hidden = v0, weights, out_h
    return [hidden, (h0, weights.t(), out_v), hidden, (v.t(), h, statistics)]


def _repeat(
    multiply: Callable[[Matrix, Matrix, Matrix], object],
    factors: Sequence[tuple[Matrix, ...]],
    updates: int,
) -> None:
    """Compute the products of some updates."""
    for _ in range(updates):
        for left, right, out in factors:
            multiply(left, right, out)


def _by_openblas(left: Array, right: Array, out: Array) -> None:
    """Multiply by the faster of NumPy and SciPy: SciPy where a factor is transposed.

    SciPy's function takes arrays in column order and computes the transposed product.
    """
    transposed = [not matrix.flags.c_contiguous for matrix in (right, left)]
    if not any(transposed):
        np.matmul(left, right, out=out)
        return
    a, b = (m if t else m.T for m, t in zip((right, left), transposed, strict=True))
    trans_a, trans_b = transposed
    sgemm(1, a, b, 0, out.T, trans_a=trans_a, trans_b=trans_b, overwrite_c=True)
