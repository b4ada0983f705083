"""Stage paper_figures: figures 1 to 6 of the paper, for the networks that are trained."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpoe.data.split import labels_in, load_class
from hpoe.evaluation import drawing
from hpoe.evaluation.measures import labels_of, read_goodness
from hpoe.evaluation.scoring import score_name
from hpoe.execution.pipeline import FIGURES, GOODNESS, MODELS, SPLIT
from hpoe.execution.stage import stage
from hpoe.method.fantasies import gibbs_chain
from hpoe.method.randomness import generator
from hpoe.method.rbm import RBM, hidden_probabilities, visible_probabilities, visible_units
from hpoe.paper import figures as paper_figures
from hpoe.params import Params
from hpoe.reporting import report_errors
from hpoe.training.tasks import weights_path
from hpoe.training.weights import load_rbm
from hpoe_recognition.normalization import prepare

STEPS = (0, 1, 10, 100, 1000)
UNITS_SHOWN, IMAGES_SHOWN, EXAMPLES = 18, 8, 100
EXAMPLES_OF, FIELDS_OF, PAIR = "2", "3", ("7", "9")
"""Digits of the paper's figure 2, figure 3, and figures 5 and 6, if the split has them."""
LAYERS = (1, 3)


@report_errors
def main() -> None:
    """Draw the paper's figures, except the seventh, which `evaluate` draws."""
    with stage("paper_figures") as running:
        params, digits = running.params, labels_in(SPLIT)
        examples_of = EXAMPLES_OF if EXAMPLES_OF in digits else digits[0]
        fields_of = FIELDS_OF if FIELDS_OF in digits else digits[0]
        pair = PAIR if set(PAIR) <= set(digits) else (digits[0], digits[-1])
        largest = _by_size(params)[-1]
        held_out = {digit: load_class(SPLIT, digit).validation for digit in digits}
        table = read_goodness(GOODNESS, [largest])
        validation = table[table["set"] == "validation"]
        drawn = {
            "figure1": _chains(params, held_out, largest),
            "figure2": paper_figures.examples(
                load_class(SPLIT, examples_of).unsupervised[:EXAMPLES], examples_of
            ),
            "figure3": _fields(params, fields_of, held_out[fields_of].shape[1:]),
            "figure4": _hinton_diagram(validation, largest),
            "figure5": _reconstructions(params, held_out, pair),
            "figure6": _scatter(validation, pair),
        }
        for name, figure in drawn.items():
            drawing.save(figure, FIGURES / "paper" / f"{name}.png")
        running.attach([FIGURES / "paper" / f"{name}.png" for name in drawn], "figures/paper")
        running.say(f"figures 1 to 6 of {', '.join(_by_size(params))}")


def _by_size(params: Params) -> list[str]:
    """Return the trained networks by ascending number of hidden units."""
    return sorted(params.train, key=lambda name: params.networks[name].units)


def _layer_one(network: str, digit: str) -> RBM:
    return load_rbm(weights_path(MODELS, network, 1, digit))


def _chains(params: Params, held_out: dict[str, NDArray[np.uint8]], network: str) -> Figure:
    strips = []
    for digit, images in held_out.items():
        rbm = _layer_one(network, digit)
        rng = generator(params.seed, network, 1, digit, "fantasies")
        start = prepare(images[:1], params.networks[network].images)
        chain = gibbs_chain(rbm, visible_units(start), STEPS, rng)
        strips.append(np.stack([p.numpy().reshape(images.shape[1:]) for p in chain]))
    return paper_figures.chains(np.stack(strips), list(held_out), STEPS, network)


def _fields(params: Params, digit: str, shape: tuple[int, ...]) -> Figure:
    panels = {}
    for network in _by_size(params):
        weights = _layer_one(network, digit).weights.numpy()
        rng = generator(params.seed, network, 1, digit, "shown units")
        units = rng.choice(weights.shape[1], UNITS_SHOWN, replace=weights.shape[1] < UNITS_SHOWN)
        panels[network] = weights[:, units].T.reshape(-1, *shape)
    return paper_figures.fields(panels, digit)


def _hinton_diagram(validation: pd.DataFrame, network: str) -> Figure:
    labels = labels_of(validation)
    columns = [score_name(label, 1) for label in labels]
    means = validation.groupby("label")[columns].mean().loc[labels]
    return paper_figures.hinton_diagram(means.to_numpy().T, labels, network)


def _reconstructions(
    params: Params, held_out: dict[str, NDArray[np.uint8]], pair: tuple[str, str]
) -> Figure:
    blocks: dict[str, dict[str, NDArray[np.float32]]] = {}
    for network in _by_size(params):
        rbms = [_layer_one(network, digit) for digit in pair]
        blocks[network] = {}
        for digit in pair:
            images = prepare(held_out[digit][:IMAGES_SHOWN], params.networks[network].images)
            v = visible_units(images)
            first, second = (visible_probabilities(r, hidden_probabilities(r, v)) for r in rbms)
            lines = np.stack([first.numpy(), v.numpy(), second.numpy()])
            blocks[network][digit] = lines.reshape(3, *images.shape)
    return paper_figures.reconstructions(blocks, pair)


def _scatter(validation: pd.DataFrame, pair: tuple[str, str]) -> Figure:
    two = validation[validation["label"].isin(pair)]
    panels = {
        layer: two[[score_name(digit, layer) for digit in pair]].to_numpy() for layer in LAYERS
    }
    return paper_figures.scatter(panels, two["label"].to_numpy(), pair)


if __name__ == "__main__":
    main()
