"""Three RBMs of one digit, each trained on the expected activities of the one below (section 3).

Shapes: V visible units, N images; a hierarchy gives an image one score per layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hpoe.method.rbm import RBM, hidden_probabilities, hidden_probabilities_and_goodness


def activities(below: Sequence[RBM], v: Tensor) -> Tensor:
    """Expected hidden activities of the topmost of `below` for images v [N, V] (section 3).

    Without layers below, these are the images, the data of layer 1.
    """
    for rbm in below:
        v = hidden_probabilities(rbm, v)
    return v


def layer_goodness(hierarchy: Sequence[RBM], v: Tensor) -> Tensor:
    """Goodness of images v [N, V] under each layer, float64 nats [N, layers] (section 4)."""
    columns = []
    for rbm in hierarchy:
        v, g = hidden_probabilities_and_goodness(rbm, v)
        columns.append(g)
    return torch.stack(columns, dim=1)
