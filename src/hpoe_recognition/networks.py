"""A network's hierarchies in numpy: goodness and reconstructions without PyTorch.

A packaged model runs where only numpy is installed. `hpoe.method.hierarchy` is the reference.

Shapes: N images, V visible and H hidden units, D classes, M models (classes, then layers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hpoe_recognition.arrays import from_arrays, to_arrays
from hpoe_recognition.normalization import Preparation

Floats = NDArray[np.float32]
FACTORS = 64
"""Numbers in 1..2 multiplied before one logarithm is taken: faster, and they cannot overflow."""


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
    def of(cls, layer: Layer, position: int, level: float) -> Self:
        """Fold the biases of one class's RBM of a layer."""
        weights, b = layer.weights[position], layer.visible_biases[position]
        offset = (layer.hidden_biases[position] + level * weights.sum(axis=0)) / 2
        constant = level * b.sum(dtype=np.float64) + (offset + np.log(2)).sum(dtype=np.float64)
        return cls(offset, 2 * b + weights.sum(axis=1), float(constant))


@dataclass(frozen=True)
class Network:
    """The hierarchies of all classes, from the image up."""

    layers: tuple[Layer, ...]
    images: Preparation
    """How images are prepared for it, in training and in use."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], name: str, images: Preparation) -> Self:
        """Make a network from the arrays called NAME/LAYER/FIELD that `to_arrays` returns."""
        n_layers = len({key.split("/")[1] for key in arrays if key.startswith(f"{name}/")})
        prefixes = (f"{name}/{number}/" for number in range(1, n_layers + 1))
        return cls(tuple(from_arrays(Layer, arrays, prefix) for prefix in prefixes), images)

    def to_arrays(self, name: str) -> dict[str, Floats]:
        """Return the arrays of all layers by name."""
        arrays: dict[str, Floats] = {}
        for number, layer in enumerate(self.layers, start=1):
            arrays |= to_arrays(layer, f"{name}/{number}/")
        return arrays

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.layers[0].weights)

    @cached_property
    def folded(self) -> list[list[Folded]]:
        """Folded biases by class, then layer."""
        levels = (0.0, *(0.5 for _ in self.layers[1:]))
        return [
            [
                Folded.of(layer, position, level)
                for layer, level in zip(self.layers, levels, strict=True)
            ]
            for position in range(self.n_classes)
        ]

    def goodness(self, images: Floats) -> NDArray[np.float64]:
        """g(v) of images [N, V] in [0, 1] under every model, nats, [N, M] (section 4).

        Pixels that are black in all images add nothing to v.W and b.v, and are left out.
        """
        inked = np.flatnonzero(images.any(axis=0))
        halved = images[:, inked] / np.float32(2)
        columns = []
        for position, folded in enumerate(self.folded):
            q = halved
            units: NDArray[np.intp] | slice = inked
            for layer, biases in zip(self.layers, folded, strict=True):
                q, g = _activities(q, layer.weights[position][units], biases, biases.slope[units])
                columns.append(g)
                units = slice(None)
        return np.stack(columns, axis=1)

    def reconstruct(self, images: Floats, position: int, depths: Sequence[int]) -> Floats:
        """Reconstruct images [N, V] by the lowest layers of one class's hierarchy, [depths, N, V].

        By expected activities: p(h|v) up to each depth, then p(v|h) back to the pixels (eq. 2).
        Depths are in ascending order.
        """
        activities = [images]
        for layer in self.layers[: depths[-1]]:
            h = activities[-1] @ layer.weights[position] + layer.hidden_biases[position]
            activities.append(_sigmoid(h))
        v = np.empty((0, activities[-1].shape[1]), np.float32)
        for depth in range(depths[-1], 0, -1):
            layer = self.layers[depth - 1]
            above = [activities[depth], v] if depth in depths else [v]
            x = np.concatenate(above) @ layer.weights[position].T
            v = _sigmoid(x + layer.visible_biases[position])
        return v.reshape(len(depths), *images.shape)


def stacked(rbms: Sequence[Sequence[Mapping[str, Floats]]], images: Preparation) -> Network:
    """Make a network from the arrays of its RBMs, by layer, then class."""
    names = Layer.__annotations__
    layers = ({name: np.stack([rbm[name] for rbm in layer]) for name in names} for layer in rbms)
    return Network(tuple(Layer(**layer) for layer in layers), images)


def _activities(
    q: Floats, weights: Floats, biases: Folded, slope: Floats
) -> tuple[Floats, NDArray[np.float64]]:
    """Return the next layer's q [N, H] and g(v) [N] of one RBM: see `Folded`."""
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
