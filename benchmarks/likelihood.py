"""Ask whether goodness is a likelihood: log Z of ten first layers under three ways of training.

It trains the first layer of every digit by CD-1, by CD-10 and with persistent chains, estimates
log Z by annealed importance sampling, and classifies validation images by Bayes' rule: by the
highest log likelihood, without any supervised parameter. Beside it stand ten fitted biases.
"""

from collections.abc import Sequence
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
from hpoe.data.split import labels_in, load_class
from hpoe.evaluation.drawing import BLUE, GREY, ORANGE, WIDTH, plain_figure, save, styled
from hpoe.files import write_json
from hpoe.method.fitting import fit_rbm
from hpoe.method.gibbs import GibbsDivergence
from hpoe.method.partition import (
    AnnealingPath,
    LogPartition,
    forward_estimates,
    forward_log_weights,
    reverse_estimates,
    reverse_log_weights,
    schedule,
)
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
DIRECTIONS = ("forward", "reverse")
GIBBS_STEPS = 1000
"""From data, before chains are annealed back."""
WAYS = ("CD-1", "CD-10", "persistent chains")


class Work(NamedTuple):
    """The training of one digit's first layer."""

    way: str
    digit: str
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
    report = {}
    with TemporaryDirectory() as folder:
        split_into(Path(folder), params, settings)
        digits = labels_in(Path(folder))
        sets = {name: _images(Path(folder), digits, name) for name in ("fit", "validation")}
        bases = [BERNOULLI.natural(_training(Path(folder), digit).mean(dim=0)) for digit in digits]
        for way in WAYS:
            work = [Work(way, digit, epochs, Path(folder)) for digit in digits]
            rbms = run_in_order(_trained, work, settings.workers)
            path = AnnealingPath(rbms, BERNOULLI, torch.stack(bases))
            start = torch.stack([_training(Path(folder), digit)[:chains] for digit in digits])
            draws = np.random.Generator(np.random.SFC64(params.seed))
            below, above = _estimates(path, start, temperatures, draws)
            report[way] = _result(rbms, below, above, sets)
            _show(way, digits, report[way])
    write_json(REPORT, {"machine": machine(settings.workers), "ways": report})
    save(_figure(report, digits), FIGURE)
    console.print(f"{REPORT}, {FIGURE}")


def _training(split: Path, digit: str) -> Tensor:
    return visible_units(prepare(load_class(split, digit).unsupervised, "deskewed"))


def _images(split: Path, digits: Sequence[str], name: str) -> tuple[Tensor, NDArray[np.int64]]:
    parts = [getattr(load_class(split, digit), name) for digit in digits]
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


@torch.inference_mode()
def _estimates(
    path: AnnealingPath, start: Tensor, temperatures: int, draws: np.random.Generator
) -> tuple[list[LogPartition], list[LogPartition]]:
    """Estimate log Z from both directions; back from chains that start from data [D, C, V].

    Forward chains can miss a mode of the data, which makes log Z too small; reverse chains know no
    mode but those of the data.
    """
    chains, ones = start.shape[1], start.new_ones(path.n_models)
    betas = schedule(path, temperatures, chains, draws)
    forward, _ = forward_log_weights(path, betas, chains, draws)
    for _ in range(GIBBS_STEPS):
        start = path.step(path.hidden_input(start), ones, draws)
    reverse = reverse_log_weights(path, betas, start, draws)
    return forward_estimates(forward), reverse_estimates(reverse)


def _result(
    rbms: list[RBM],
    below: list[LogPartition],
    above: list[LogPartition],
    sets: dict[str, tuple[Tensor, NDArray[np.int64]]],
) -> dict[str, Any]:
    scores = {
        name: torch.stack([goodness(rbm, v) for rbm in rbms], dim=1).numpy()
        for name, (v, _) in sets.items()
    }
    labels = {name: positions for name, (_, positions) in sets.items()}
    held_out, own = scores["validation"], labels["validation"]
    goodness_of_own = np.array([held_out[own == at, at].mean() for at in range(len(rbms))])

    def error(added: Floats) -> float:
        return float(np.mean((held_out + added).argmax(axis=1) != own))

    result: dict[str, Any] = {"fitted_error": error(_biases(scores["fit"], labels["fit"]))}
    for name, estimates in (("forward", below), ("reverse", above)):
        log_z = np.array([each.value for each in estimates])
        result[name] = {
            "log_z": log_z.tolist(),
            "effective_chains": [each.effective_sample_size for each in estimates],
            "nats_per_image": (goodness_of_own - log_z).tolist(),
            "bayes_error": error(-log_z),
        }
    return result


def _biases(scores: Floats, labels: NDArray[np.int64]) -> Floats:
    """Choose what is added to each class's goodness by the likelihood of labels (softmax)."""
    frequencies = np.bincount(labels) / len(labels)

    def loss(biases: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(scores + biases, axis=1)
        chosen = float(log_p[np.arange(len(labels)), labels].mean())
        return -chosen, np.exp(log_p).mean(axis=0) - frequencies

    start = -scores.mean(axis=0)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def _show(way: str, digits: Sequence[str], found: dict[str, Any]) -> None:
    errors = [f"{found[name]['bayes_error']:.1%}" for name in DIRECTIONS]
    shown = table(
        f"{way}: Bayes' rule errs on {errors[0]} of the validation images with log Z from forward "
        f"chains, on {errors[1]} from reverse chains; ten fitted biases on "
        f"{found['fitted_error']:.1%}",
        "digit",
        *(f"{what}, {way}" for way in DIRECTIONS for what in ("log Z", "chains", "nats", "bits")),
    )
    for at, digit in enumerate(digits):
        cells = []
        for direction in DIRECTIONS:
            nats = found[direction]["nats_per_image"][at]
            cells += [f"{found[direction]['log_z'][at]:.1f}"]
            cells += [f"{found[direction]['effective_chains'][at]:.1f}"]
            cells += [f"{nats:.1f}", f"{-nats / np.log(2) / 784:.3f}"]
        shown.add_row(digit, *cells)
    console.print(shown)


@styled
def _figure(report: dict[str, Any], digits: Sequence[str]) -> Figure:
    """Draw both estimates of the likelihoods, and the errors of three ways to use goodness."""
    fitted = 100 * max(found["fitted_error"] for found in report.values())
    bayes = 100 * min(
        found[name]["bayes_error"] for found in report.values() for name in DIRECTIONS
    )
    figure = plain_figure(
        (WIDTH, 3.8),
        f"Goodness ranks images, up to ten biases: {fitted:.1f} % errors or fewer; with log Z "
        f"{bayes:.0f} % or more",
        "First layers of 500 hidden units, deskewed validation images; filled marks: log Z "
        "annealed forward, hollow ones: annealed back",
    )
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for shift, way, colour, marker in zip(
        (-0.2, 0, 0.2), report, (BLUE, ORANGE, GREY), "os^", strict=True
    ):
        ends = [report[way][direction]["nats_per_image"] for direction in DIRECTIONS]
        places = np.array(digits) + shift
        left.vlines(places, *ends, color=colour)
        left.plot(places, ends[0], marker, color=colour, label=way)
        left.plot(places, ends[1], marker, color=colour, fillstyle="none")
    left.set(xlabel="Digit", ylabel="Log likelihood (nats per image)", xticks=digits)
    left.legend(loc="lower center")
    bars = {f"Bayes' rule, {way} log Z": way for way in DIRECTIONS} | {"ten fitted biases": None}
    for shift, (label, direction), colour in zip(
        (-0.27, 0, 0.27), bars.items(), (BLUE, GREY, ORANGE), strict=True
    ):
        errors = [
            100 * (found[direction]["bayes_error"] if direction else found["fitted_error"])
            for found in report.values()
        ]
        drawn = right.bar(np.arange(len(report)) + shift, errors, 0.26, color=colour, label=label)
        right.bar_label(drawn, fmt="%.1f")
    right.set(xticks=np.arange(len(report)), xticklabels=report, ylabel="Validation error (%)")
    right.set_ylim(0, 85)  # with room for the legend
    right.legend(loc="upper right")
    return figure


if __name__ == "__main__":
    typer.run(main)
