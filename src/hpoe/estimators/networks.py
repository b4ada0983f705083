"""Networks whose classes come and go; the arrays of the other classes stay as they are.

Shapes: C classes, V visible and H hidden units of a layer.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from hpoe.estimators.validation import Floats
from hpoe_recognition.networks import Layer, Network

ClassLayers = list[tuple[NDArray[np.float32], ...]]
"""Weights [V, H], visible biases [V] and hidden biases [H] of each layer of one class."""


def stacked(classes: Sequence[ClassLayers]) -> Network:
    """Make a network of classes in order."""
    by_layer = zip(*classes, strict=True)
    layers = (Layer(*map(np.stack, zip(*layer, strict=True))) for layer in by_layer)
    return Network(tuple(layers), "as_given")


def with_class(network: Network, at: int, added: ClassLayers) -> Network:
    """Insert a class at a position."""
    new = stacked([added])
    return _changed(lambda kept, row: np.insert(kept, at, row[0], axis=0), network, new)


def without_class(network: Network, at: int) -> Network:
    """Take out the class at a position."""
    return _changed(lambda kept, _: np.delete(kept, at, axis=0), network, network)


def _changed(change: Callable[[Floats, Floats], Floats], network: Network, new: Network) -> Network:
    pairs = zip(network.layers, new.layers, strict=True)
    layers = (Layer(*map(change, vars(old).values(), vars(own).values())) for old, own in pairs)
    return Network(tuple(layers), "as_given")
