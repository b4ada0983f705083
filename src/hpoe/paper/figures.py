"""The paper's figures 1 to 6 in the paper's form (7 is `evaluation.figures.misclassified`).

As `hpoe.evaluation.figures`: arrays in, a matplotlib Figure out. Shapes: K images, D classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hpoe.evaluation.drawing import (
    BLUE,
    GAP,
    GREY,
    ORANGE,
    WIDTH,
    around_canvas,
    number,
    plain_figure,
    styled,
    tiled,
    without_frame,
)


@styled
def chains(
    strips: NDArray[np.float32], labels: Sequence[str], steps: Sequence[int], network: str
) -> Figure:
    """Figure 1: the alternating Gibbs chain of each digit's layer-1 model.

    Args:
        strips: the start, then p(v|h) after each number of steps, float32 [D, S, rows, columns].
        labels: the D digits.
        steps: the S numbers of steps, the first 0.
        network: its name.
    """
    half = -(-len(labels) // 2)
    *earlier, last = (f"{step:,}" for step in steps)
    blocks = np.zeros((2, half, *strips.shape[1:]), strips.dtype)
    blocks.reshape(-1, *strips.shape[1:])[: len(labels)] = strips
    canvas = np.concatenate([np.pad(tiled(each), ((0, 0), (0, 12 * GAP))) for each in blocks], 1)
    figure, axes = around_canvas(
        canvas,
        "Where alternating Gibbs sampling takes an image, in the model of its own digit",
        f"Layer 1 of {network}; from left to right after {', '.join(earlier)} and {last} steps "
        "from a held-out image",
    )
    axes.images[0].set(cmap="gray_r", clim=(0, 1))
    height, width = canvas.shape[0] / half, canvas.shape[1] / 2
    for place, digit in enumerate(labels):
        left, line = place // half * width, place % half
        axes.text(left - 3 * GAP, (line + 0.5) * height, digit, ha="right", va="center")
    return figure


@styled
def examples(images: NDArray[np.uint8], digit: str) -> Figure:
    """Figure 2: a hundred examples of one digit, uint8 [100, rows, columns]."""
    side = int(np.sqrt(len(images)))
    figure, axes = around_canvas(
        tiled(images[: side * side].reshape(side, side, *images.shape[1:])),
        f"{side * side} of the images that train the model of the {digit}s",
        "As they are in MNIST: size-normalised, centred, neither deskewed nor distorted",
    )
    axes.images[0].set(cmap="gray_r", clim=(0, 255))
    return figure


@styled
def fields(panels: Mapping[str, NDArray[np.float32]], digit: str) -> Figure:
    """Figure 3: receptive fields of one digit's layer-1 models, one panel per network.

    Args:
        panels: by network, weights of 18 hidden units, float32 [18, rows, columns].
        digit: the models' digit.
    """
    extremes = {name: float(w.flat[np.abs(w).argmax()]) for name, w in panels.items()}
    told = ", ".join(f"{name} {number(value, '+.1f')}" for name, value in extremes.items())
    figure = plain_figure(
        (WIDTH, 0.9 + 0.58 * WIDTH * 3 / (6 * len(panels)) * 1.25),
        f"What hidden units of the models of the {digit}s look for",
        f"Weights of 18 hidden units each, white positive, black negative; extreme weight: {told}",
    )
    for axes, (name, weights) in zip(
        np.ravel(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        limit = float(np.quantile(np.abs(weights), 0.998))
        tiles = tiled(weights.reshape(3, 6, *weights.shape[1:]), blank=np.nan)
        axes.imshow(tiles, cmap="gray", clim=(-limit, limit), interpolation="nearest")
        axes.set_yticks([])
        without_frame(axes)
        axes.set_title(name)
    return figure


@styled
def hinton_diagram(goodness: NDArray[np.float64], labels: Sequence[str], network: str) -> Figure:
    """Figure 4: mean goodness of every digit under every digit's model, rows summing to zero.

    Each row is a model; shifting it to a mean of zero removes its unknown normalising constant.

    Args:
        goodness: means in nats, float64 [digit of the model, digit of the images].
        labels: the D digits.
        network: its name.
    """
    shifted = goodness - goodness.mean(axis=1, keepdims=True)
    largest = np.abs(shifted).max()
    own = int((np.diag(shifted) > 0).sum())
    figure = plain_figure(
        (5.6, 5.8),
        f"{own} of {len(labels)} models like their own digit more than the mean digit",
        f"Area: mean goodness less its row's mean (white: above), {largest:.0f} nats at most",
    )
    axes = figure.subplots()
    axes.set_facecolor("#A8A8A8")
    for row, column in np.ndindex(*shifted.shape):
        side = 0.94 * np.sqrt(abs(shifted[row, column]) / largest)
        colour = "white" if shifted[row, column] > 0 else "black"
        corner = (column - side / 2, row - side / 2)
        axes.add_patch(Rectangle(corner, side, side, facecolor=colour, linewidth=0))
    ends = (-0.6, len(labels) - 0.4)
    axes.set(xlim=ends, ylim=ends[::-1], aspect="equal", xlabel="Digit")
    axes.set_ylabel(f"Model (layer 1 of {network})")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(labels)), labels)
    return figure


@styled
def reconstructions(
    blocks: Mapping[str, Mapping[str, NDArray[np.float32]]], models: tuple[str, str]
) -> Figure:
    """Figure 5: two digits as reconstructed by both layer-1 models, one row of blocks per network.

    Args:
        blocks: by network and digit of the images, float32 [3, K, rows, columns]: reconstructions
            by the first model, the images, reconstructions by the second.
        models: the digits of the two models.
    """
    first, second = models
    others = ((first, 2), (second, 0))
    lines = [
        np.concatenate([tiled(of[digit]) for digit in models], axis=1) for of in blocks.values()
    ]
    errors = {
        name: np.mean([np.square(of[a][at] - of[a][1]).sum((1, 2)) for a, at in others])
        for name, of in blocks.items()
    }
    told = ", ".join(f"{number(error, '.1f')} ({name})" for name, error in errors.items())
    pitch = len(lines[0]) + 4 * GAP
    canvas = np.concatenate([np.pad(line, ((0, 4 * GAP), (0, 0))) for line in lines])
    figure, axes = around_canvas(
        canvas[: -4 * GAP],
        f"Squared reconstruction error by the other digit's model: {told}",
        f"In each block the images in the middle, above them as the model of the {first}s, below "
        f"as that of the {second}s",
    )
    axes.images[0].set(cmap="gray_r", clim=(0, 1))
    axes.set_yticks(np.arange(len(lines)) * pitch + len(lines[0]) / 2, list(blocks))
    return figure


@styled
def scatter(
    panels: Mapping[int, NDArray[np.float64]], labels: NDArray[np.str_], pair: tuple[str, str]
) -> Figure:
    """Figure 6: two digits by their goodness under both models, with the best separating line.

    Args:
        panels: by layer, goodness in nats under the two models, float64 [K, 2].
        labels: digits of the images, one of the pair, [K].
        pair: the two digits.
    """
    lines = {layer: best_line(scores, labels == pair[1]) for layer, scores in panels.items()}
    wrong = {
        layer: int(((panels[layer] @ line[:2] + line[2] > 0) != (labels == pair[1])).sum())
        for layer, line in lines.items()
    }
    told = " and ".join(f"{count} in layer {layer}" for layer, count in wrong.items())
    figure = plain_figure(
        (WIDTH, 4.6),
        f"On the wrong side of the line: {told}, of {len(labels):,} {pair[0]}s and {pair[1]}s",
        "Validation images by their goodness under two models; the line is logistic regression's",
    )
    for axes, (layer, scores) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for digit, colour, mark in zip(pair, (BLUE, ORANGE), ("o", "^"), strict=True):
            x, y = scores[labels == digit].T
            axes.plot(x, y, mark, color=colour, markersize=2.5, alpha=0.6, label=f"{digit}s")
        a, b, c = lines[layer]
        ends = np.array([scores[:, 0].min(), scores[:, 0].max()])
        axes.plot(ends, -(a * ends + c) / b, color=GREY, linewidth=1)
        axes.set(
            title=f"Layer {layer}",
            xlabel=f"Goodness under the {pair[0]}s' model (nats)",
            ylabel=f"Goodness under the {pair[1]}s' model (nats)",
            ylim=(scores[:, 1].min(), scores[:, 1].max()),
        )
    axes.legend()
    return figure


def best_line(scores: NDArray[np.float64], second: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Fit the line a x + b y + c = 0 by logistic regression on scores [K, 2] and classes [K]."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = scores.mean(axis=0), scores.std()
    fitted = LogisticRegression(C=1e3).fit((scores - mean) / scale, second)
    a, b = (float(weight) for weight in fitted.coef_[0] / scale)
    return a, b, float(fitted.intercept_[0] - np.array([a, b]) @ mean)
