"""Compare annealed partition functions with exact ones, on the thirty RBMs of network h25.

Each RBM has 25 hidden units, so that its 2^25 states can be summed: about an hour on one core.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.measuring import console, machine, split_into, table, timed
from hpoe.compute.parallel import run_in_order
from hpoe.data.split import labels_in, load_class
from hpoe.method.fitting import fit_layers
from hpoe.method.hierarchy import activities
from hpoe.method.partition import (
    AnnealingPath,
    LogPartition,
    approximate_samples,
    exact_log_partition,
    forward_estimates,
    forward_log_weights,
    reverse_estimates,
    reverse_log_weights,
    schedule,
)
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, visible_units
from hpoe.method.units import UNITS
from hpoe.params import Params, load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe_recognition.normalization import prepare

NETWORK = "h25"
BERNOULLI = UNITS["bernoulli"]


@report_errors
def main(
    chains: Annotated[int, typer.Option(min=2, help="Annealed for each RBM.")] = 64,
    temperatures: Annotated[int, typer.Option(min=1, help="Steps of annealing.")] = 4000,
) -> None:
    """Print exact values, estimates, bounds, and whether they hold."""
    params, settings = load_params(), load_settings()
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        labels = labels_in(Path(folder))
        trained = [_trained(params, Path(folder), digit) for digit in labels]
    rbms = [(rbm, base) for digit in trained for rbm, base in digit]
    draws = np.random.Generator(np.random.SFC64(params.seed))
    layers = range(len(trained[0]))
    seconds, by_layer = timed(
        lambda: [
            _annealed([digit[at] for digit in trained], chains, temperatures, draws)
            for at in layers
        ]
    )
    estimates = [each for of_digit in zip(*by_layer, strict=True) for each in of_digit]
    exact = run_in_order(_exact, [rbm for rbm, _ in rbms], settings.workers)
    shown = table(
        f"log Z in nats: {chains} chains, {temperatures} temperatures, {seconds:.0f} s for all",
        *("digit", "layer", "exact", "AIS", "lower", "upper", "effective chains", "bounds hold"),
    )
    held = close = 0
    for position, (value, (below, above)) in enumerate(zip(exact, estimates, strict=True)):
        digit, layer = divmod(position, len(layers))
        holds = below.lower <= value <= above.upper
        held += holds
        close += below.effective_sample_size <= 10 or abs(below.value - value) <= 0.5
        shown.add_row(
            *(labels[digit], str(layer + 1), f"{value:.3f}"),
            *(f"{below.value:.3f}", f"{below.lower:.3f}", f"{above.upper:.3f}"),
            *(f"{below.effective_sample_size:.1f}", "yes" if holds else "no"),
        )
    console.print(shown)
    console.print(f"both bounds hold for {held} of {len(rbms)} RBMs; AIS is within 0.5 nats of")
    console.print(f"the exact value, or has at most 10 effective chains, for {close}")
    console.print(machine(settings.workers))


def _trained(params: Params, split: Path, digit: str) -> list[tuple[RBM, Tensor]]:
    """Train a digit's RBMs as the pipeline does; each with the base rates of its data."""
    recipe = params.networks[NETWORK].recipe
    data = visible_units(prepare(load_class(split, digit).unsupervised, recipe.images))
    rbms = fit_layers(
        recipe,
        data,
        len(recipe.units),
        lambda layer: partial(generator, params.seed, NETWORK, layer, digit),
    )
    inputs = [activities(rbms[:below], data) for below in range(len(rbms))]
    return [(rbm, BERNOULLI.natural(v.mean(dim=0))) for rbm, v in zip(rbms, inputs, strict=True)]


def _annealed(
    models: list[tuple[RBM, Tensor]], chains: int, temperatures: int, draws: np.random.Generator
) -> list[tuple[LogPartition, LogPartition]]:
    """Estimates from both directions of RBMs of one size, annealed at the same time."""
    rbms, bases = zip(*models, strict=True)
    path = AnnealingPath(rbms, BERNOULLI, torch.stack(bases))
    betas = schedule(path, temperatures, chains, draws)
    weights, v = forward_log_weights(path, betas, chains, draws)
    start = approximate_samples(path, weights, v, temperatures, draws)
    reverse = reverse_log_weights(path, betas, start, draws)
    return list(zip(forward_estimates(weights), reverse_estimates(reverse), strict=True))


def _exact(rbm: RBM) -> float:
    return exact_log_partition(rbm, BERNOULLI)


if __name__ == "__main__":
    typer.run(main)
