"""A layer's training beside its floor: the five matrix products of each update by themselves.

Two are of data and weights, one of hidden states and weights, two of the statistics. Both are
measured in turn, in the same processes, on the same shapes, with one thread each. The products are
made by OpenBLAS (NumPy, SciPy) and by PyTorch's library; the floor is the faster one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy.linalg.blas import sgemm

from hpoe.parallel import run_tasks
from hpoe.params import Recipe
from hpoe.rbm import ContrastiveDivergence, initial_state

IMAGES = 4400
VISIBLE = 784


@dataclass(frozen=True)
class Layer:
    """Training of one layer, measured."""

    visible: int
    hidden: int
    minibatch: int
    seconds_an_epoch: float
    """The least of the repeats, mean of the workers."""
    seconds_an_epoch_median: float
    seconds_products: float
    seconds_products_median: float
    gflops: float
    gflops_products: float
    """Of all workers together."""
    roofline_fraction: float


@dataclass(frozen=True)
class _Task:
    recipe: Recipe
    visible: int
    repeats: int
    worker: int


def measure_layer(recipe: Recipe, visible: int, hidden: int, workers: int, repeats: int) -> Layer:
    """Train a layer in all workers at once, and its products alone."""
    sized = recipe.model_copy(update={"units": (hidden, hidden, hidden)})
    tasks = [_Task(sized, visible, repeats, worker) for worker in range(workers)]
    seconds = np.array(list(run_tasks(_measure, tasks, workers)))  # [workers, 2, repeats]
    training, products = seconds.min(axis=2).mean(axis=0)
    training_median, products_median = np.median(seconds, axis=2).mean(axis=0)
    gigaflop = 5 * 2 * IMAGES * visible * hidden / 1e9 * workers
    return Layer(
        visible,
        hidden,
        recipe.minibatch_size,
        float(training),
        float(training_median),
        float(products),
        float(products_median),
        gflops=float(gigaflop / training),
        gflops_products=float(gigaflop / products),
        roofline_fraction=float(products / training),
    )


def network_fraction(layers: Sequence[Layer], hidden: int, minibatch: int) -> float:
    """Of three layers of so many units: the products' seconds over those of training."""
    shapes = (VISIBLE, hidden), (hidden, hidden), (hidden, hidden)
    found = {(layer.visible, layer.hidden, layer.minibatch): layer for layer in layers}
    three = [found[*shape, minibatch] for shape in shapes]
    products = sum(layer.seconds_products for layer in three)
    return products / sum(layer.seconds_an_epoch for layer in three)


def rows(layers: Sequence[Layer]) -> list[dict[str, float]]:
    """The layers as JSON values."""
    return [asdict(layer) for layer in layers]


def _measure(task: _Task) -> tuple[list[float], list[float]]:
    """Seconds of epochs of training, and of their products, one each a repeat."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(task.worker)
    data = torch.from_numpy(rng.random((IMAGES, task.visible), dtype=np.float32))
    state = initial_state(task.recipe, 1, task.visible, rng)
    divergence = ContrastiveDivergence(state, task.recipe)
    size, hidden = task.recipe.minibatch_size, task.recipe.units[0]
    v, weights = data[:size].clone(), state.rbm.weights.clone()
    h = torch.from_numpy(rng.random((size, hidden), dtype=np.float32))

    def training() -> None:
        divergence.epoch(data, rng, task.recipe, epoch=1)

    works = training, _by_pytorch(v, h, weights), _by_openblas(v, h, weights)
    seconds = np.array([[seconds_of(work) for work in works] for _ in range(1 + task.repeats)])[1:]
    fastest = 1 + seconds[:, 1:].min(axis=0).argmin()
    return seconds[:, 0].tolist(), seconds[:, fastest].tolist()


def _by_pytorch(v: torch.Tensor, h: torch.Tensor, weights: torch.Tensor) -> Callable[[], None]:
    """An epoch's products by PyTorch's library (on x86 Intel's MKL)."""
    out_v, out_h, statistics = map(torch.empty_like, (v, h, weights))

    def products() -> None:
        for _ in range(IMAGES // len(v)):
            torch.mm(v, weights, out=out_h)
            torch.mm(h, weights.t(), out=out_v)
            torch.mm(v, weights, out=out_h)
            torch.mm(v.t(), h, out=statistics)
            torch.mm(v.t(), h, out=statistics)

    return products


def _by_openblas(v: torch.Tensor, h: torch.Tensor, weights: torch.Tensor) -> Callable[[], None]:
    """The same by OpenBLAS, each by the faster of NumPy's and SciPy's functions.

    SciPy's takes arrays column by column, that is ours transposed.
    """
    v_, h_, w_ = v.numpy(), h.numpy(), weights.numpy()
    out_v, out_h, statistics = map(np.empty_like, (v_, h_, w_))

    def products() -> None:
        for _ in range(IMAGES // len(v)):
            np.matmul(v_, w_, out=out_h)
            sgemm(1, w_.T, h_.T, 0, out_v.T, trans_a=True, overwrite_c=True)
            np.matmul(v_, w_, out=out_h)
            np.matmul(v_.T, h_, out=statistics)
            np.matmul(v_.T, h_, out=statistics)

    return products


def seconds_of(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
