"""How much an image looks like a digit: a small net on what the density models compute from it.

Goodness alone cannot tell: density models give simple images, above all a blank one, a high
likelihood. What does tell is the pattern: the goodness under all models relative to what is usual
for images recognised as that digit, and where the digit's own model fails to reconstruct the image.
The net sees the image and its reconstructions through two convolutional layers. Beside the net
stands a density of edges, fitted on digits alone; an image must satisfy both.

Shapes: N images of R rows and C columns, D classes, M models, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hpoe_recognition.edge_density import EdgeDensities

Floats = NDArray[np.float32]
STRIDE = 2
"""Pixels between the windows of a convolution."""
CLIP = 6.0
"""Standard deviations from the digits' mean at which features are clipped."""


@dataclass(frozen=True)
class Evidence:
    """Outputs of the density models and the net for images."""

    pictures: Floats
    """The images in [0, 1], and their reconstructions by the lowest layer and by all layers of the
    recognised class's hierarchy, [N, 3, R, C]."""
    goodness: NDArray[np.float64]
    """Normalised goodness under all models, nats, [N, M]."""
    log_probabilities: NDArray[np.float64]
    """Of the classes, [N, D]."""

    @property
    def positions(self) -> NDArray[np.int64]:
        """Positions of the recognised classes among the labels, [N]."""
        positions: NDArray[np.int64] = self.log_probabilities.argmax(axis=1)
        return positions


@dataclass(frozen=True)
class Usual:
    """Statistics of digits that the features are measured against."""

    goodness: NDArray[np.float64]
    """Mean goodness of images recognised as each class, [D, M]."""
    goodness_scale: NDArray[np.float64]
    """Its standard deviation, [D, M]."""
    mean: NDArray[np.float64]
    """Mean of every feature over digits, [F]."""
    scale: NDArray[np.float64]
    """Standard deviation of every feature over digits, [F]."""

    def features(self, evidence: Evidence) -> Floats:
        """Return the net's inputs besides the pictures, standardised over digits, [N, F]."""
        raw = features(evidence, self.goodness, self.goodness_scale)
        return np.clip((raw - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)


@dataclass(frozen=True)
class DigitNet:
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
        """Return the log odds of being a digit: [N, F] and [N, 3, R, C] to [N]."""
        first = convolved(pictures, self.first_kernels, self.first_biases)
        second = convolved(first, self.second_kernels, self.second_biases)
        inputs = np.concatenate([features, second.reshape(len(second), -1)], axis=1)
        hidden = np.maximum(inputs @ self.hidden_weights + self.hidden_biases, 0)
        score: Floats = hidden @ self.weights + self.bias
        return score


@dataclass(frozen=True)
class Scale:
    """Quantiles of the two scores, of the net and of the edges, on held-out digits, [2].

    Scaled by them, a digit's median score is 0, and the lowest hundredth ends at -1.
    """

    median: Floats
    lowest: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Scale scores, [N, 2] to [N, 2]."""
        scaled: Floats = (scores - self.median) / (self.median - self.lowest)
        return scaled


@dataclass(frozen=True)
class DigitScore:
    """Tells digits from other figures by the lower of two scores, of the net and of the edges."""

    usual: Usual
    net: DigitNet
    edges: EdgeDensities
    scale: Scale
    threshold: NDArray[np.float32]
    """The score below which an image does not look like a digit, []."""

    def __call__(self, evidence: Evidence) -> Floats:
        """Return how much images look like digits, [N]: 0 for a usual digit, less for others."""
        scores = raw_scores(self.usual, self.net, self.edges, evidence)
        score: Floats = self.scale(scores).min(axis=1)
        return score


def raw_scores(usual: Usual, net: DigitNet, edges: EdgeDensities, evidence: Evidence) -> Floats:
    """Return the net's log odds of being a digit, and how usual the edges are, [N, 2]."""
    log_odds = net(usual.features(evidence), evidence.pictures)
    return np.stack([log_odds, edges(evidence.pictures[:, 0])], axis=1)


def features(
    evidence: Evidence, usual_goodness: NDArray[np.float64], goodness_scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return relative goodness, ink, runner-up, reconstruction errors and class, [N, F]."""
    positions = evidence.positions
    unusual = (evidence.goodness - usual_goodness[positions]) / goodness_scale[positions]
    images = evidence.pictures[:, 0]
    ink = images.sum(axis=(1, 2), dtype=np.float64)
    runner_up = np.sort(evidence.log_probabilities, axis=1)[:, -2]
    columns = [unusual, np.log(ink + 5)[:, None], runner_up[:, None]]
    for channel in (1, 2):
        difference = images - evidence.pictures[:, channel]
        error = (difference**2).sum(axis=(1, 2), dtype=np.float64) + 0.5
        columns.append(np.log(np.stack([error, error / (ink + 5)], axis=1)))
    columns.append(np.eye(len(usual_goodness))[positions])
    return np.concatenate(columns, axis=1)


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
