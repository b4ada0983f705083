"""A network's hierarchies in numpy alone: goodness and reconstructions, without PyTorch.

A packaged model answers where only numpy is installed. `hpoe.hierarchy` is the reference.

Shapes: N images, V visible and H hidden units, D digits, M models (digits, then layers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FACTORS = 64
"""Numbers of 0.5 to 1 multiplied before a logarithm: fewer logarithms, and no underflow."""


@dataclass(frozen=True)
class Layer:
    """The RBMs of one layer: weights [D, V, H], visible biases [D, V], hidden biases [D, H]."""

    weights: Floats
    visible_biases: Floats
    hidden_biases: Floats


@dataclass(frozen=True)
class Network:
    """The hierarchies of all digits, from the image up."""

    layers: tuple[Layer, ...]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]], name: str) -> Self:
        """The network whose arrays are called NAME/LAYER/PART, as `to_arrays` calls them."""
        count = len({key.split("/")[1] for key in arrays if key.startswith(f"{name}/")})
        parts = Layer.__annotations__
        return cls(
            tuple(
                Layer(**{part: arrays[f"{name}/{layer}/{part}"] for part in parts})
                for layer in range(1, count + 1)
            )
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

    def goodness(self, images: Floats) -> NDArray[np.float64]:
        """g(v) of images [N, V] in [0, 1] under every model, nats, [N, M] (section 4).

        Pixels that are black in all the images add nothing to v.W and b.v: they are left out.
        """
        inked = np.flatnonzero(images.any(axis=0))
        v = np.ascontiguousarray(images[:, inked])
        columns = []
        for digit in range(self.digits):
            bottom = self.layers[0]
            h, g = _activities(
                v,
                bottom.weights[digit][inked],
                bottom.visible_biases[digit][inked],
                bottom.hidden_biases[digit],
            )
            columns.append(g)
            for layer in self.layers[1:]:
                h, g = _activities(
                    h, layer.weights[digit], layer.visible_biases[digit], layer.hidden_biases[digit]
                )
                columns.append(g)
        return np.stack(columns, axis=1)

    def reconstruct(self, images: Floats, digit: int, layers: int) -> Floats:
        """Images [N, V] as one digit's lowest layers see them: expected activities up, then down.

        p(h|v) up to layer `layers`, then p(v|h) back to the pixels (eq. 2).
        """
        v = images
        for layer in self.layers[:layers]:
            v = _sigmoid(v @ layer.weights[digit] + layer.hidden_biases[digit])
        for layer in reversed(self.layers[:layers]):
            v = _sigmoid(v @ layer.weights[digit].T + layer.visible_biases[digit])
        return v


def stacked(rbms: Sequence[Sequence[Mapping[str, Floats]]]) -> Network:
    """A network from the arrays of its RBMs, by layer, then digit."""
    return Network(
        tuple(
            Layer(
                **{part: np.stack([rbm[part] for rbm in layer]) for part in Layer.__annotations__}
            )
            for layer in rbms
        )
    )


def _activities(
    v: Floats, weights: Floats, visible_biases: Floats, hidden_biases: Floats
) -> tuple[Floats, NDArray[np.float64]]:
    """p(h|v) [N, H] and g(v) [N] of one RBM.

    With t = tanh(x/2): s(x) = (1+t)/2 and log(1+e^x) = max(x, 0) - log((1+|t|)/2).
    """
    x = v @ weights
    x += hidden_biases
    positive = np.maximum(x, 0).sum(axis=1, dtype=np.float64)
    x *= np.float32(0.5)
    t = np.tanh(x, out=x)
    share = np.abs(t)
    share += 1
    share *= np.float32(0.5)
    starts = np.arange(0, share.shape[1], FACTORS)
    products = np.multiply.reduceat(share, starts, axis=1)
    g = positive - np.log(products).sum(axis=1, dtype=np.float64)
    g += v.astype(np.float64) @ visible_biases.astype(np.float64)
    t += 1
    t *= np.float32(0.5)
    return t, g


def _sigmoid(x: Floats) -> Floats:
    """s(x) = 1 / (1 + exp(-x)), without overflow."""
    x *= np.float32(0.5)
    np.tanh(x, out=x)
    x += 1
    x *= np.float32(0.5)
    return x
