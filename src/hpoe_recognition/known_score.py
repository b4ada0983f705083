"""How much an image looks like one of the known classes: a small net on the models' evidence.

Goodness alone cannot tell: density models give simple images, above all a blank one, a high
likelihood. What does tell is the pattern: the goodness under the recognised class's models and the
margin to the others', relative to what is usual for that class, the doubt between classes, and how
well the class's own model reconstructs the image. Beside the net stands a density of edges, fitted
on known images alone; an image must satisfy both.

No feature depends on the number of classes, so that one net judges a system with a class withheld
as it judges the whole: images of a withheld class are examples of unknown ones.

Shapes: N images of R rows and C columns, D classes, L layers, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.edge_density import EdgeDensities

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
Positions = NDArray[np.int64]
CLIP = 6.0
"""Standard deviations from the class's mean at which features are clipped."""
LEAST_LOG = -40.0
"""Nats: log probabilities and their differences are not told apart below."""
INK, ERROR = 5.0, 0.5
"""Pixels added to the ink and to a squared error, so that their logarithms stay finite."""


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
    def positions(self) -> Positions:
        """Positions of the recognised classes among the labels, [N]."""
        positions: Positions = self.log_probabilities.argmax(axis=1)
        return positions


@dataclass(frozen=True)
class Features:
    """What the known score rests on, and the classes that images were recognised as."""

    values: Scores
    """[N, F]; the last one says how usual the edges are."""
    positions: Positions
    """Of the recognised classes, [N]."""


@dataclass(frozen=True)
class Usual:
    """What the features of images recognised as each class usually are."""

    mean: Scores
    """Mean of every feature, [D, F]."""
    scale: Scores
    """Standard deviation of every feature, [D, F]."""

    def __call__(self, features: Features) -> Floats:
        """Standardise features for the recognised classes, [N, F]."""
        at = features.positions
        unusual = (features.values - self.mean[at]) / self.scale[at]
        return np.clip(unusual, -CLIP, CLIP).astype(np.float32)


@dataclass(frozen=True)
class KnownNet:
    """One layer of rectified units on the standardised features."""

    hidden_weights: Floats
    """[F, hidden units]."""
    hidden_biases: Floats
    weights: Floats
    bias: Floats

    def __call__(self, inputs: Floats) -> Floats:
        """Return the log odds of being known, [N, F] to [N]."""
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
    threshold: Floats
    """The score below which an image is of none of the known classes, []."""

    def __call__(self, evidence: Evidence) -> Floats:
        """Return how much images look known, [N]: 0 for a usual image, less for others."""
        return self.of(features(evidence, self.edges))

    def of(self, features: Features) -> Floats:
        """Return the same from the features, [N]."""
        score: Floats = self.scale(raw_scores(self.usual, self.net, features)).min(axis=1)
        return score


def raw_scores(usual: Usual, net: KnownNet, features: Features) -> Floats:
    """Return the net's log odds of being known, and how usual the edges are, [N, 2]."""
    return np.stack([net(usual(features)), features.values[:, -1].astype(np.float32)], axis=1)


def features(evidence: Evidence, edges: EdgeDensities) -> Features:
    """Return goodness and margins, ink, doubt, reconstruction errors, and edges."""
    images, positions = evidence.pictures[:, 0], evidence.positions
    ink = images.sum(axis=(1, 2), dtype=np.float64) + INK
    columns = [*_margins(evidence), np.log(ink), *_doubt(evidence)]
    for channel in (1, 2):
        difference = images - evidence.pictures[:, channel]
        error = (difference**2).sum(axis=(1, 2), dtype=np.float64) + ERROR
        columns += [np.log(error), np.log(error / ink)]
    return Features(np.column_stack([*columns, edges(images, positions)]), positions)


def _margins(evidence: Evidence) -> list[Scores]:
    """Return the recognised class's goodness, and its margins, by layer, each [N, L].

    Margins are to the best of the other classes, to their mean, and to the second choice.
    """
    log_p, rows = evidence.log_probabilities, np.arange(len(evidence.goodness))
    goodness = evidence.goodness.reshape(*log_p.shape, -1)
    own = goodness[rows, evidence.positions]
    is_other = np.isfinite(log_p)
    is_other[rows, evidence.positions] = False
    second = goodness[rows, np.where(is_other, log_p, -np.inf).argmax(axis=1)]
    best = np.where(is_other[:, :, None], goodness, -np.inf).max(axis=1)
    mean = np.where(is_other[:, :, None], goodness, 0).sum(axis=1) / is_other.sum(axis=1)[:, None]
    return [own, own - best, own - mean, own - second]


def _doubt(evidence: Evidence) -> list[Scores]:
    """Return by how much the second choice is less probable, and log(1 - p), nats, each [N]."""
    log_p = np.sort(evidence.log_probabilities, axis=1)
    with np.errstate(divide="ignore"):
        doubt = np.log(np.exp(log_p[:, :-1]).sum(axis=1))
    return [np.maximum(LEAST_LOG, each) for each in (log_p[:, -2] - log_p[:, -1], doubt)]
