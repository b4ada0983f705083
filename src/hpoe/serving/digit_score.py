"""How much an image looks like a digit at all: a small net on what the density models say of it.

Goodness alone does not tell: density models give simple images, a blank one first, a high
likelihood. What tells is the pattern: the goodness of all models beside what is usual for images
recognised as that digit, and where the digit's own model fails to reconstruct the image.

Shapes: N images of R rows and C columns, D digits, M models, F features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 4
"""Side, in pixels, of the squares in which reconstruction errors are summed."""
MOST = 6.0
"""Standard deviations from the digits' mean beyond which a feature says no more."""


@dataclass(frozen=True)
class Seen:
    """What the models say of images."""

    images: Floats
    """The images in [0, 1], [N, R, C]."""
    goodness: Floats
    """Normalised goodness under all models, nats, [N, M]."""
    log_probabilities: Floats
    """Of the digits, [N, D]."""
    reconstructions: tuple[Floats, Floats]
    """By the recognised digit's lowest layer, and by its whole hierarchy, each [N, R, C]."""

    @property
    def digits(self) -> NDArray[np.int64]:
        """Positions of the recognised digits, [N]."""
        digits: NDArray[np.int64] = self.log_probabilities.argmax(axis=1)
        return digits


@dataclass(frozen=True)
class DigitScore:
    """A net of one hidden layer of rectified units; its output is the log odds of being a digit."""

    usual_goodness: Floats
    """Mean goodness of images recognised as each digit, [D, M]."""
    goodness_scale: Floats
    """Its standard deviation, [D, M]."""
    mean: Floats
    """Of every feature over digits, [F]."""
    scale: Floats
    """Standard deviation of every feature over digits, [F]."""
    hidden_weights: Floats
    hidden_biases: Floats
    weights: Floats
    bias: Floats
    threshold: Floats
    """The score below which an image is said not to look like a digit, []."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], prefix: str) -> Self:
        """The score whose arrays are called `prefix` and the field's name."""
        return cls(**{field.name: arrays[f"{prefix}{field.name}"] for field in fields(cls)})

    def to_arrays(self, prefix: str) -> dict[str, Floats]:
        """The arrays by the names under which a package keeps them."""
        return {f"{prefix}{field.name}": getattr(self, field.name) for field in fields(self)}

    def inputs(self, seen: Seen) -> Floats:
        """What the net is given: features standardised over digits, [N, F]."""
        raw = features(seen, self.usual_goodness, self.goodness_scale)
        return np.clip((raw - self.mean) / self.scale, -MOST, MOST)

    def __call__(self, seen: Seen) -> Floats:
        """The log odds of being a digit, [N]."""
        hidden = np.maximum(self.inputs(seen) @ self.hidden_weights + self.hidden_biases, 0)
        score: Floats = hidden @ self.weights + self.bias
        return score


def features(seen: Seen, usual_goodness: Floats, goodness_scale: Floats) -> Floats:
    """Goodness beside the usual, reconstructions and their errors, the digit, [N, F]."""
    digits = seen.digits
    unusual = (seen.goodness - usual_goodness[digits]) / goodness_scale[digits]
    ink = seen.images.sum(axis=(1, 2))
    runner_up = np.sort(seen.log_probabilities, axis=1)[:, -2]
    columns = [unusual, np.log(ink + 5)[:, None], runner_up[:, None]]
    for reconstruction in seen.reconstructions:
        difference = seen.images - reconstruction
        error = (difference**2).sum(axis=(1, 2)) + 0.5
        columns += [
            np.log(np.stack([error, error / (ink + 5)], axis=1)),
            in_blocks(reconstruction),
            in_blocks(difference),
            in_blocks(difference**2),
        ]
    columns.append(np.eye(len(usual_goodness))[digits])
    return np.concatenate(columns, axis=1)


def in_blocks(images: Floats) -> Floats:
    """Sums over squares of BLOCK x BLOCK pixels, [N, R, C] to [N, blocks]; the rest is padded."""
    rows, columns = (-size % BLOCK for size in images.shape[1:])
    padded = np.pad(images, ((0, 0), (0, rows), (0, columns)))
    count, height, width = padded.shape
    blocks = padded.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    sums: Floats = blocks.sum(axis=(2, 4)).reshape(count, -1)
    return sums
