"""How much an image looks like one of the known classes: a small net on the models' evidence.

Goodness alone cannot tell: density models give simple images, above all a blank one, a high
likelihood. What does tell is the pattern: the goodness under the recognised class's models and the
margin to the others', relative to what is usual for that class, and where the class's own model
fails to reconstruct the image. The net sees the image and its reconstructions through two
convolutional layers. Beside the net stands a density of edges, fitted on known images alone; an
image must satisfy both.

No feature depends on the number of classes, so that one net judges a system with a class withheld
as it judges the whole: images of a withheld class are examples of unknown ones.

Shapes: N images of R rows and C columns, D classes, L layers, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hpoe_recognition.edge_density import EdgeDensities

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
STRIDE = 2
"""Pixels between the windows of a convolution."""
CLIP = 6.0
"""Standard deviations from the class's mean at which features are clipped."""
LEAST_LOG = -40.0
"""Nats: log probabilities and their differences are not told apart below."""


@dataclass(frozen=True)
class Evidence:
    """Outputs of the density models and the net for images."""

    pictures: Floats
    """The images in [0, 1], and their reconstructions by the lowest layer and by all layers of the
    recognised class's hierarchy, [N, 3, R, C]."""
    goodness: Scores
    """Normalised goodness under all models, nats, [N, D L]."""
    log_probabilities: Scores
    """Of the classes, [N, D]; minus infinity for a class that is withheld."""

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions of the recognised classes among the labels, [N]."""
        positions: NDArray[np.int64] = self.log_probabilities.argmax(axis=1)
        return positions


@dataclass(frozen=True)
class Usual:
    """What the features of images recognised as each class usually are."""

    mean: Scores
    """Mean of every feature, [D, F]."""
    scale: Scores
    """Standard deviation of every feature, [D, F]."""

    def __call__(self, features: Scores, positions: NDArray[np.int64]) -> Floats:
        """Standardise features [N, F] of images recognised as classes [N]."""
        unusual = (features - self.mean[positions]) / self.scale[positions]
        return np.clip(unusual, -CLIP, CLIP).astype(np.float32)


@dataclass(frozen=True)
class KnownNet:
    """Two convolutions of the pictures, then a layer on these and the features, all rectified.

    Each convolution has K kernels of Q x Q pixels: [K, channels, Q, Q]; Q is odd.
    """

    first_kernels: Floats
    first_biases: Floats
    second_kernels: Floats
    second_biases: Floats
    hidden_weights: Floats
    """[F + outputs of the second convolution, hidden units]."""
    hidden_biases: Floats
    weights: Floats
    bias: Floats

    def __call__(self, features: Floats, pictures: Floats) -> Floats:
        """Return the log odds of being known: [N, F] and [N, 3, R, C] to [N]."""
        first = convolved(pictures, self.first_kernels, self.first_biases)
        second = convolved(first, self.second_kernels, self.second_biases)
        inputs = np.concatenate([features, second.reshape(len(second), -1)], axis=1)
        hidden = np.maximum(inputs @ self.hidden_weights + self.hidden_biases, 0)
        score: Floats = hidden @ self.weights + self.bias
        return score


@dataclass(frozen=True)
class Scale:
    """Quantiles of the two scores, of the net and of the edges, on held-out images, [2].

    Scaled by them, a known image's median score is 0, and the lowest hundredth ends at -1.
    """

    median: Floats
    lowest: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Scale scores, [N, 2] to [N, 2]."""
        scaled: Floats = (scores - self.median) / (self.median - self.lowest)
        return scaled


@dataclass(frozen=True)
class KnownScore:
    """Tells known classes from anything else by the lower of two scores, of net and edges."""

    usual: Usual
    net: KnownNet
    edges: EdgeDensities
    scale: Scale
    threshold: NDArray[np.float32]
    """The score below which an image is none of the known classes, []."""

    def __call__(self, evidence: Evidence) -> Floats:
        """Return how much images look known, [N]: 0 for a usual image, less for others."""
        scores = raw_scores(self.usual, self.net, self.edges, evidence)
        score: Floats = self.scale(scores).min(axis=1)
        return score


def raw_scores(usual: Usual, net: KnownNet, edges: EdgeDensities, evidence: Evidence) -> Floats:
    """Return the net's log odds of being known, and how usual the edges are, [N, 2]."""
    raw = features(evidence, edges)
    log_odds = net(usual(raw, evidence.positions), evidence.pictures)
    return np.stack([log_odds, raw[:, -1].astype(np.float32)], axis=1)


def features(evidence: Evidence, edges: EdgeDensities) -> Scores:
    """Return goodness and margins, ink, doubt, reconstruction errors and edges, [N, F].

    Edges are last: how usual they are for the recognised class, and for the best-fitting one.
    """
    images, chosen = evidence.pictures[:, 0], evidence.positions
    ink = images.sum(axis=(1, 2), dtype=np.float64)
    columns = [*_margins(evidence), np.log(ink + 5)[:, None], _doubt(evidence)]
    for channel in (1, 2):
        difference = images - evidence.pictures[:, channel]
        error = (difference**2).sum(axis=(1, 2), dtype=np.float64) + 0.5
        columns.append(np.log(np.stack([error, error / (ink + 5)], axis=1)))
    fits = np.where(np.isfinite(evidence.log_probabilities), edges(images), -np.inf)
    columns.append(np.stack([fits[np.arange(len(fits)), chosen], fits.max(axis=1)], axis=1))
    return np.concatenate(columns, axis=1)


def _margins(evidence: Evidence) -> list[Scores]:
    """Return the chosen class's goodness, and its margins, by layer, each [N, L].

    Margins are to the best of the other classes, to their mean, and to the second choice.
    """
    log_p, chosen, every = evidence.log_probabilities, evidence.positions, np.arange(len(evidence.goodness))
    goodness = evidence.goodness.reshape(*log_p.shape, -1)
    own = goodness[every, chosen]
    is_other = np.isfinite(log_p)
    is_other[every, chosen] = False
    others = np.where(is_other[:, :, None], goodness, -np.inf)
    count = is_other.sum(axis=1)[:, None]
    mean = np.where(is_other[:, :, None], goodness, 0).sum(axis=1) / np.maximum(count, 1)
    second = goodness[every, np.where(is_other, log_p, -np.inf).argmax(axis=1)]
    return [own, *(np.where(count, own - each, 0) for each in (others.max(axis=1), mean, second))]


def _doubt(evidence: Evidence) -> Scores:
    """Return by how much the second choice is less probable, and log(1 - p), nats, [N, 2]."""
    others = evidence.log_probabilities.copy()
    others[np.arange(len(others)), evidence.positions] = -np.inf
    with np.errstate(divide="ignore"):
        doubt = np.log(np.exp(others).sum(axis=1))
    difference = others.max(axis=1) - evidence.log_probabilities.max(axis=1)
    return np.maximum(LEAST_LOG, np.stack([difference, doubt], axis=1))


def convolved(pictures: Floats, kernels: Floats, biases: Floats) -> Floats:
    """Return rectified convolutions at every STRIDE-th pixel of zero-padded pictures.

    [N, channels, R, C] and [K, channels, Q, Q] to [N, K, ceil(R / STRIDE), ceil(C / STRIDE)].
    """
    size = kernels.shape[-1]
    margin = (size // 2, size // 2)
    padded = np.pad(pictures, ((0, 0), (0, 0), margin, margin))
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))[:, :, ::STRIDE, ::STRIDE]
    count, _, rows, columns = windows.shape[:4]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * rows * columns, -1)
    responses = np.maximum(flat @ kernels.reshape(len(kernels), -1).T + biases, 0)
    shaped: Floats = responses.reshape(count, rows, columns, -1).transpose(0, 3, 1, 2)
    return shaped
