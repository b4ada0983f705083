"""A network's hierarchies in numpy alone: goodness and reconstructions, without PyTorch.

A packaged model answers where only numpy is installed. `hpoe.method.hierarchy` is the reference.

Shapes: N images, V visible and H hidden units, D digits, M models (digits, then layers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.normalization import Preparation

Floats = NDArray[np.float32]
FACTORS = 64
"""Numbers of 1 to 2 multiplied before a logarithm: fewer logarithms, and no overflow."""


@dataclass(frozen=True)
class Layer:
    """The RBMs of one layer: weights [D, V, H], visible biases [D, V], hidden biases [D, H]."""

    weights: Floats
    visible_biases: Floats
    hidden_biases: Floats


@dataclass(frozen=True)
class Folded:
    """One RBM's biases for inputs q [N, V] of which the visible units are 2q + `level`.

    With y = q.W + `offset`, half the hidden units' total input, and t = tanh(y): p(h|v) is
    (1 + t) / 2, so that t / 4 is the next layer's q at a level of 1/2; and by
    log(1 + e^2y) = y + |y| + log 2 - log(1 + |t|),
    g(v) = q.`slope` + `constant` + sum_j |y_j| - sum_j log(1 + |t_j|).
    """

    offset: Floats
    slope: Floats
    constant: float

    @classmethod
    def of(cls, layer: Layer, digit: int, level: float) -> Self:
        """For one digit's RBM of a layer."""
        weights, b = layer.weights[digit], layer.visible_biases[digit]
        offset = (layer.hidden_biases[digit] + level * weights.sum(axis=0)) / 2
        constant = level * b.sum(dtype=np.float64) + (offset + np.log(2)).sum(dtype=np.float64)
        return cls(offset, 2 * b + weights.sum(axis=1), float(constant))


@dataclass(frozen=True)
class Network:
    """The hierarchies of all digits, from the image up."""

    layers: tuple[Layer, ...]
    images: Preparation
    """What it was trained on, and is to be asked about."""

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.float32]], name: str, images: Preparation
    ) -> Self:
        """The network whose arrays are called NAME/LAYER/PART, as `to_arrays` calls them."""
        count = len({key.split("/")[1] for key in arrays if key.startswith(f"{name}/")})
        parts = Layer.__annotations__
        return cls(
            tuple(
                Layer(**{part: arrays[f"{name}/{layer}/{part}"] for part in parts})
                for layer in range(1, count + 1)
            ),
            images,
        )

    def to_arrays(self, name: str) -> dict[str, Floats]:
        """The arrays by the names under which a package keeps them."""
        return {
            f"{name}/{number}/{part}": getattr(layer, part)
            for number, layer in enumerate(self.layers, start=1)
            for part in Layer.__annotations__
        }

    @property
    def digits(self) -> int:
        """How many digits there are models of."""
        return len(self.layers[0].weights)

    @cached_property
    def folded(self) -> list[list[Folded]]:
        """Of every digit, its layers' biases as `goodness` uses them."""
        levels = (0.0, *(0.5 for _ in self.layers[1:]))
        return [
            [
                Folded.of(layer, digit, level)
                for layer, level in zip(self.layers, levels, strict=True)
            ]
            for digit in range(self.digits)
        ]

    def goodness(self, images: Floats) -> NDArray[np.float64]:
        """g(v) of images [N, V] in [0, 1] under every model, nats, [N, M] (section 4).

        Pixels that are black in all the images add nothing to v.W and b.v: they are left out.
        """
        inked = np.flatnonzero(images.any(axis=0))
        halved = images[:, inked] / np.float32(2)
        columns = []
        for digit, folded in enumerate(self.folded):
            q = halved
            units: NDArray[np.intp] | slice = inked
            for layer, biases in zip(self.layers, folded, strict=True):
                q, g = _activities(q, layer.weights[digit][units], biases, biases.slope[units])
                columns.append(g)
                units = slice(None)
        return np.stack(columns, axis=1)

    def reconstruct(self, images: Floats, digit: int, depths: Sequence[int]) -> Floats:
        """Images [N, V] as the lowest 1, 2, ... layers of one digit see them: [depths, N, V].

        Expected activities: p(h|v) up to a depth, then p(v|h) back to the pixels (eq. 2). The
        depths ascend.
        """
        activities = [images]
        for layer in self.layers[: depths[-1]]:
            h = activities[-1] @ layer.weights[digit] + layer.hidden_biases[digit]
            activities.append(_sigmoid(h))
        v = np.empty((0, activities[-1].shape[1]), np.float32)
        for depth in range(depths[-1], 0, -1):
            layer = self.layers[depth - 1]
            above = [activities[depth], v] if depth in depths else [v]
            v = _sigmoid(
                np.concatenate(above) @ layer.weights[digit].T + layer.visible_biases[digit]
            )
        return v.reshape(len(depths), *images.shape)


def stacked(rbms: Sequence[Sequence[Mapping[str, Floats]]], images: Preparation) -> Network:
    """A network from the arrays of its RBMs, by layer, then digit, that saw such images."""
    return Network(
        tuple(
            Layer(
                **{part: np.stack([rbm[part] for rbm in layer]) for part in Layer.__annotations__}
            )
            for layer in rbms
        ),
        images,
    )


def _activities(
    q: Floats, weights: Floats, biases: Folded, slope: Floats
) -> tuple[Floats, NDArray[np.float64]]:
    """The next layer's q [N, H], and g(v) [N], of one RBM: see `Folded`."""
    y = q @ weights
    y += biases.offset
    size = np.abs(y)
    g = q @ slope + biases.constant + size.sum(axis=1, dtype=np.float64)
    t = np.tanh(y, out=y)
    np.abs(t, out=size)
    size += 1
    products = np.multiply.reduceat(size, np.arange(0, size.shape[1], FACTORS), axis=1)
    g -= np.log(products).sum(axis=1, dtype=np.float64)
    t *= np.float32(0.25)
    return t, g


def _sigmoid(x: Floats) -> Floats:
    """s(x) = 1 / (1 + exp(-x)), without overflow."""
    x *= np.float32(0.5)
    np.tanh(x, out=x)
    x += 1
    x *= np.float32(0.5)
    return x
