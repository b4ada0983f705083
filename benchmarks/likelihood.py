"""Ask whether goodness is a likelihood: log Z of ten first layers under three ways of training.

It trains the first layer of every digit by CD-1, by CD-10 and with persistent chains, estimates
log Z by annealed importance sampling, and classifies validation images by Bayes' rule: by the
highest log likelihood, without any supervised parameter. Beside it stand ten fitted biases.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from benchmarks.measuring import console, machine, split_into, table
from hpoe.compute.parallel import run_in_order
from hpoe.data.split import load_digit
from hpoe.evaluation.drawing import BLUE, GREY, ORANGE, WIDTH, plain_figure, save, styled
from hpoe.files import write_json
from hpoe.method.fitting import fit_rbm
from hpoe.method.gibbs import GibbsDivergence
from hpoe.method.partition import AnnealingPath, forward_estimates, forward_log_weights, schedule
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, goodness, visible_units
from hpoe.method.units import UNITS
from hpoe.params import load_params
from hpoe.reporting import report_errors
from hpoe.settings import load_settings
from hpoe_recognition.normalization import prepare

BERNOULLI = UNITS["bernoulli"]
Floats = NDArray[np.float64]
REPORT = Path("reports/benchmarks/likelihood.json")
FIGURE = Path("docs/images/likelihood.png")
RULES = {"bayes_error": "Bayes' rule", "fitted_error": "ten fitted biases"}
WAYS = ("CD-1", "CD-10", "persistent chains")


class Work(NamedTuple):
    """The training of one digit's first layer."""

    way: str
    digit: int
    epochs: int
    split: Path


@report_errors
def main(
    epochs: Annotated[int, typer.Option(min=1, help="Of each RBM.")] = 30,
    chains: Annotated[int, typer.Option(min=2, help="Annealed for each RBM.")] = 64,
    temperatures: Annotated[int, typer.Option(min=1, help="Steps of annealing.")] = 4000,
) -> None:
    """Print and keep log likelihoods of held-out images, and errors on validation images."""
    params, settings = load_params(), load_settings()
    digits, report = params.split.digits, {}
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        sets = {name: _images(Path(folder), digits, name) for name in ("fit", "validation")}
        bases = [BERNOULLI.natural(_training(Path(folder), digit).mean(dim=0)) for digit in digits]
        for way in WAYS:
            work = [Work(way, digit, epochs, Path(folder)) for digit in digits]
            rbms = run_in_order(_trained, work, settings.workers)
            path = AnnealingPath(rbms, BERNOULLI, torch.stack(bases))
            draws = np.random.Generator(np.random.SFC64(params.seed))
            betas = schedule(path, temperatures, chains, draws)
            found = forward_estimates(forward_log_weights(path, betas, chains, draws)[0])
            report[way] = _result(rbms, [each.value for each in found], sets) | {
                "effective_chains": [each.effective_sample_size for each in found],
                "lower": [each.lower for each in found],
            }
            _show(way, digits, report[way])
    write_json(REPORT, {"machine": machine(settings.workers), "ways": report})
    save(_figure(report, digits), FIGURE)
    console.print(f"{REPORT}, {FIGURE}")


def _training(split: Path, digit: int) -> Tensor:
    return visible_units(prepare(load_digit(split, digit).unsupervised, "deskewed"))


def _images(split: Path, digits: tuple[int, ...], name: str) -> tuple[Tensor, NDArray[np.int64]]:
    parts = [getattr(load_digit(split, digit), name) for digit in digits]
    positions = np.repeat(np.arange(len(digits)), [len(part) for part in parts])
    return visible_units(prepare(np.concatenate(parts), "deskewed")), positions


def _trained(work: Work) -> RBM:
    torch.set_num_threads(1)
    params = load_params()
    recipe = replace(params.networks["default"].recipe, epochs=work.epochs)
    make = None
    if work.way == "CD-10":
        make = partial(GibbsDivergence, units=BERNOULLI, steps=10)
    elif work.way == "persistent chains":  # a tenth of the rate, so that the chains keep up
        recipe = replace(recipe, learning_rate=recipe.learning_rate / 10)
        chains = torch.zeros(recipe.minibatch_size, recipe.units[0])
        make = partial(GibbsDivergence, units=BERNOULLI, chains=chains)
    generators = partial(generator, params.seed, work.way, 1, work.digit)
    return fit_rbm(recipe, 1, _training(work.split, work.digit), generators, make)


def _result(
    rbms: list[RBM], log_z: list[float], sets: dict[str, tuple[Tensor, NDArray[np.int64]]]
) -> dict[str, list[float] | float]:
    scores = {
        name: torch.stack([goodness(rbm, v) for rbm in rbms], dim=1).numpy()
        for name, (v, _) in sets.items()
    }
    labels = {name: positions for name, (_, positions) in sets.items()}
    held_out = scores["validation"] - log_z
    own = [float(held_out[labels["validation"] == at, at].mean()) for at in range(len(rbms))]
    fitted = (scores["validation"] + _biases(scores["fit"], labels["fit"])).argmax(axis=1)
    return {
        "log_z": log_z,
        "nats_per_image": own,
        "bayes_error": float(np.mean(held_out.argmax(axis=1) != labels["validation"])),
        "fitted_error": float(np.mean(fitted != labels["validation"])),
    }


def _biases(scores: Floats, labels: NDArray[np.int64]) -> Floats:
    """Choose what is added to each class's goodness by the likelihood of labels (softmax)."""
    frequencies = np.bincount(labels) / len(labels)

    def loss(biases: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(scores + biases, axis=1)
        chosen = float(log_p[np.arange(len(labels)), labels].mean())
        return -chosen, np.exp(log_p).mean(axis=0) - frequencies

    start = -scores.mean(axis=0)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def _show(way: str, digits: tuple[int, ...], found: dict[str, list[float] | float]) -> None:
    shown = table(
        f"{way}: Bayes' rule errs on {found['bayes_error']:.1%} of the validation images, "
        f"the same scores with ten fitted biases on {found['fitted_error']:.1%}",
        *("digit", "log Z", "lower bound", "effective chains", "nats per image", "bits per pixel"),
    )
    names = "log_z", "lower", "effective_chains", "nats_per_image"
    for digit, row in zip(digits, np.column_stack([found[name] for name in names]), strict=True):
        bits = -row[-1] / np.log(2) / 784
        shown.add_row(str(digit), *(f"{value:.1f}" for value in row), f"{bits:.3f}")
    console.print(shown)


@styled
def _figure(report: dict[str, Any], digits: tuple[int, ...]) -> Figure:
    """Draw the likelihood of each digit's images, and the errors of both ways to use them."""
    best = max(report, key=lambda way: float(np.mean(report[way]["nats_per_image"])))
    figure = plain_figure(
        (WIDTH, 3.4),
        f"Trained with {best}, images are most likely under the model of their own digit",
        "First layers of 500 hidden units on deskewed validation images; log Z by annealed "
        "importance sampling",
    )
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    for way, colour, marker in zip(report, (BLUE, ORANGE, GREY), "os^", strict=True):
        left.plot(digits, report[way]["nats_per_image"], marker, color=colour, label=way)
    left.set(xlabel="Digit", ylabel="Log likelihood (nats per image)", xticks=digits)
    left.legend()
    places = np.arange(len(report))
    for shift, key, colour in ((-0.2, "bayes_error", BLUE), (0.2, "fitted_error", ORANGE)):
        errors = [100 * report[way][key] for way in report]
        bars = right.bar(places + shift, errors, 0.38, color=colour, label=RULES[key])
        right.bar_label(bars, fmt="%.1f")
    right.set(xticks=places, xticklabels=report, ylabel="Validation error (%)")
    right.legend()
    return figure


if __name__ == "__main__":
    typer.run(main)
