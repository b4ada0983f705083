"""Stage paper_figures: figures 1 to 6 of the paper, of the networks that are trained."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpoe import figures, paper_figures
from hpoe.data.split import digits_in, load_digit
from hpoe.evaluation import read_goodness
from hpoe.params import Params
from hpoe.randomness import generator
from hpoe.stage import SPLIT, report_errors, stage

GOODNESS, MODELS, FIGURES = Path("data/goodness"), Path("models"), Path("reports/figures/paper")
STEPS = (0, 1, 10, 100, 1000)
UNITS_SHOWN, IMAGES_SHOWN, EXAMPLES = 18, 8, 100
EXAMPLES_OF, FIELDS_OF, PAIR = 2, 3, (7, 9)
LAYERS = (1, 3)


@report_errors
def main() -> None:
    """Draw every figure of the paper but the seventh, which `evaluate` draws."""
    with stage("paper_figures") as running:
        params = running.params
        largest = _by_size(params)[-1]
        held_out = {digit: load_digit(SPLIT, digit).validation for digit in digits_in(SPLIT)}
        table = read_goodness(GOODNESS, [largest])
        validation = table[table["set"] == "validation"]
        drawn = {
            "figure1": _chains(held_out, largest, params.seed),
            "figure2": paper_figures.examples(
                load_digit(SPLIT, EXAMPLES_OF).unsupervised[:EXAMPLES], EXAMPLES_OF
            ),
            "figure3": _fields(params, held_out[FIELDS_OF].shape[1:]),
            "figure4": _hinton_diagram(validation, largest),
            "figure5": _reconstructions(params, held_out),
            "figure6": _scatter(validation),
        }
        for name, figure in drawn.items():
            figures.save(figure, FIGURES / f"{name}.png")
        running.attach([FIGURES / f"{name}.png" for name in drawn], "figures/paper")
        running.say(f"figures 1 to 6 of {', '.join(_by_size(params))}")


def _by_size(params: Params) -> list[str]:
    """The trained networks, by ascending number of hidden units."""
    return sorted(params.train, key=lambda name: params.networks[name].units)


def _chains(held_out: dict[int, NDArray[np.uint8]], network: str, seed: int) -> Figure:
    from hpoe.fantasies import gibbs_chain
    from hpoe.training import unit_interval
    from hpoe.weights import load_rbm, weights_path

    strips = []
    for digit, images in held_out.items():
        rbm = load_rbm(weights_path(MODELS, network, 1, digit))
        rng = generator(seed, network, 1, digit, "fantasies")
        seen = gibbs_chain(rbm, unit_interval(images[:1]), STEPS, rng)
        strips.append(np.stack([p.numpy().reshape(images.shape[1:]) for p in seen]))
    return paper_figures.chains(np.stack(strips), list(held_out), STEPS, network)


def _fields(params: Params, shape: tuple[int, ...]) -> Figure:
    from hpoe.weights import load_rbm, weights_path

    panels = {}
    for network in _by_size(params):
        weights = load_rbm(weights_path(MODELS, network, 1, FIELDS_OF)).weights.numpy()
        rng = generator(params.seed, network, 1, FIELDS_OF, "shown units")
        units = rng.choice(weights.shape[1], UNITS_SHOWN, replace=weights.shape[1] < UNITS_SHOWN)
        panels[network] = weights[:, units].T.reshape(-1, *shape)
    return paper_figures.fields(panels, FIELDS_OF)


def _hinton_diagram(validation: pd.DataFrame, network: str) -> Figure:
    columns = [name for name in validation if str(name).endswith("_layer1")]
    means = validation.groupby("label")[columns].mean()
    return paper_figures.hinton_diagram(means.to_numpy().T, list(means.index), network)


def _reconstructions(params: Params, held_out: dict[int, NDArray[np.uint8]]) -> Figure:
    from hpoe.rbm import hidden_probabilities, visible_probabilities
    from hpoe.training import unit_interval
    from hpoe.weights import load_rbm, weights_path

    blocks: dict[str, dict[int, NDArray[np.float32]]] = {}
    for network in _by_size(params):
        rbms = [load_rbm(weights_path(MODELS, network, 1, digit)) for digit in PAIR]
        blocks[network] = {}
        for digit in PAIR:
            images = held_out[digit][:IMAGES_SHOWN]
            v = unit_interval(images)
            first, second = (visible_probabilities(r, hidden_probabilities(r, v)) for r in rbms)
            lines = np.stack([first.numpy(), v.numpy(), second.numpy()])
            blocks[network][digit] = lines.reshape(3, *images.shape)
    return paper_figures.reconstructions(blocks, PAIR)


def _scatter(validation: pd.DataFrame) -> Figure:
    two = validation[validation["label"].isin(PAIR)]
    panels = {
        layer: two[[f"digit{digit}_layer{layer}" for digit in PAIR]].to_numpy() for layer in LAYERS
    }
    return paper_figures.scatter(panels, two["label"].to_numpy(), PAIR)


if __name__ == "__main__":
    main()
