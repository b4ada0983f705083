"""How much an image looks like a digit at all: a small net on what the density models say of it.

Goodness alone does not tell: density models give simple images, a blank one first, a high
likelihood. What tells is the pattern: the goodness of all models beside what is usual for images
recognised as that digit, and where the digit's own model fails to reconstruct the image. The net
sees the image beside its reconstructions through two layers of convolutions. Beside the net stands
a density of edges, which has seen digits alone; an image must satisfy both.

Shapes: N images of R rows and C columns, D digits, M models, F features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hpoe_recognition.edge_density import EdgeDensities

Floats = NDArray[np.float32]
STRIDE = 2
"""Pixels between the windows of a convolution."""
MOST = 6.0
"""Standard deviations from the digits' mean beyond which a feature says no more."""


@dataclass(frozen=True)
class Seen:
    """What the models say of images."""

    pictures: Floats
    """The images in [0, 1], and their reconstructions by the recognised digit's lowest layer and by
    its whole hierarchy, [N, 3, R, C]."""
    goodness: NDArray[np.float64]
    """Normalised goodness under all models, nats, [N, M]."""
    log_probabilities: NDArray[np.float64]
    """Of the digits, [N, D]."""

    @property
    def digits(self) -> NDArray[np.int64]:
        """Positions of the recognised digits, [N]."""
        digits: NDArray[np.int64] = self.log_probabilities.argmax(axis=1)
        return digits


@dataclass(frozen=True)
class Usual:
    """What is usual for digits: the features are measured against it."""

    goodness: NDArray[np.float64]
    """Mean goodness of images recognised as each digit, [D, M]."""
    goodness_scale: NDArray[np.float64]
    """Its standard deviation, [D, M]."""
    mean: NDArray[np.float64]
    """Of every feature over digits, [F]."""
    scale: NDArray[np.float64]
    """Standard deviation of every feature over digits, [F]."""

    def features(self, seen: Seen) -> Floats:
        """What the net is given beside the pictures: standardised over digits, [N, F]."""
        standardised = (features(seen, self.goodness, self.goodness_scale) - self.mean) / self.scale
        return np.clip(standardised, -MOST, MOST).astype(np.float32)


@dataclass(frozen=True)
class DigitNet:
    """Two convolutions of the pictures, then a layer on these and the features, all rectified.

    Each K kernels of Q x Q pixels: [K, channels, Q, Q]; Q is odd.
    """

    first_kernels: Floats
    first_biases: Floats
    second_kernels: Floats
    second_biases: Floats
    hidden_weights: Floats
    """[F + the second convolution's outputs, hidden units]."""
    hidden_biases: Floats
    weights: Floats
    bias: Floats

    def __call__(self, features: Floats, pictures: Floats) -> Floats:
        """The log odds of being a digit, of features [N, F] and pictures [N, 3, R, C]; [N]."""
        first = convolved(pictures, self.first_kernels, self.first_biases)
        second = convolved(first, self.second_kernels, self.second_biases)
        inputs = np.concatenate([features, second.reshape(len(second), -1)], axis=1)
        hidden = np.maximum(inputs @ self.hidden_weights + self.hidden_biases, 0)
        score: Floats = hidden @ self.weights + self.bias
        return score


@dataclass(frozen=True)
class Scale:
    """Two numbers that each opinion of held-out digits is measured by: the net's, the edges', [2].

    A usual digit is at 0, the lowest hundredth ends at -1.
    """

    median: Floats
    lowest: Floats

    def __call__(self, opinions: Floats) -> Floats:
        """Opinions of images, [N, 2] to [N, 2]."""
        scaled: Floats = (opinions - self.median) / (self.median - self.lowest)
        return scaled


@dataclass(frozen=True)
class DigitScore:
    """What tells digits from other figures: the worse of two opinions, a net's and the edges'."""

    usual: Usual
    net: DigitNet
    edges: EdgeDensities
    scale: Scale
    threshold: NDArray[np.float32]
    """The score below which an image is said not to look like a digit, []."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> Self:
        """The score whose arrays are called `prefix`, the part's name and the field's name."""

        def part(of: type, name: str) -> object:
            return of(**{each.name: arrays[f"{prefix}{name}/{each.name}"] for each in fields(of)})

        parts = {name: part(of, name) for name, of in PARTS.items()}
        return cls(**parts, threshold=arrays[f"{prefix}threshold"])  # type: ignore[arg-type]

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """The arrays by the names under which a package keeps them."""
        arrays: dict[str, NDArray[np.generic]] = {f"{prefix}threshold": self.threshold}
        for name, of in PARTS.items():
            part = getattr(self, name)
            arrays |= {
                f"{prefix}{name}/{each.name}": getattr(part, each.name) for each in fields(of)
            }
        return arrays

    def __call__(self, seen: Seen) -> Floats:
        """How much images look like digits, [N]: 0 for a usual digit, less for fewer digits."""
        score: Floats = self.scale(opinions(self.usual, self.net, self.edges, seen)).min(axis=1)
        return score


PARTS = {"usual": Usual, "net": DigitNet, "edges": EdgeDensities, "scale": Scale}
"""Of a digit score, by the field's name."""


def opinions(usual: Usual, net: DigitNet, edges: EdgeDensities, seen: Seen) -> Floats:
    """The net's log odds of being a digit, and how usual the edges are, [N, 2]."""
    return np.stack([net(usual.features(seen), seen.pictures), edges(seen.pictures[:, 0])], axis=1)


def features(
    seen: Seen, usual_goodness: NDArray[np.float64], goodness_scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Goodness beside the usual, ink, runner-up, errors of reconstruction, the digit, [N, F]."""
    digits = seen.digits
    unusual = (seen.goodness - usual_goodness[digits]) / goodness_scale[digits]
    images = seen.pictures[:, 0]
    ink = images.sum(axis=(1, 2), dtype=np.float64)
    runner_up = np.sort(seen.log_probabilities, axis=1)[:, -2]
    columns = [unusual, np.log(ink + 5)[:, None], runner_up[:, None]]
    for channel in (1, 2):
        difference = images - seen.pictures[:, channel]
        error = (difference**2).sum(axis=(1, 2), dtype=np.float64) + 0.5
        columns.append(np.log(np.stack([error, error / (ink + 5)], axis=1)))
    columns.append(np.eye(len(usual_goodness))[digits])
    return np.concatenate(columns, axis=1)


def convolved(pictures: Floats, kernels: Floats, biases: Floats) -> Floats:
    """Rectified convolutions at every STRIDE-th pixel of zero-padded pictures.

    [N, channels, R, C] and [K, channels, Q, Q] to [N, K, ceil(R / STRIDE), ceil(C / STRIDE)].
    """
    size = kernels.shape[-1]
    margin = (size // 2, size // 2)
    padded = np.pad(pictures, ((0, 0), (0, 0), margin, margin))
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))[:, :, ::STRIDE, ::STRIDE]
    count, _, rows, columns = windows.shape[:4]
    flat = windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * rows * columns, -1)
    answers = np.maximum(flat @ kernels.reshape(len(kernels), -1).T + biases, 0)
    shaped: Floats = answers.reshape(count, rows, columns, -1).transpose(0, 3, 1, 2)
    return shaped
