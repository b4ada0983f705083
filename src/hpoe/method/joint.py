"""One density model of pixels and labels (section 6): an RBM with label units beside the pixels.

Shapes: N images, V pixels, C classes, H hidden units, B images of a minibatch. All float32.
"""

import torch
from torch import Tensor

from hpoe.method.rbm import RBM, ContrastiveDivergence, TrainingState, goodness
from hpoe.method.recipe import Recipe


class JointDivergence(ContrastiveDivergence):
    """CD-1 for an RBM whose last visible units are labels, reconstructed by a softmax."""

    def __init__(self, state: TrainingState, recipe: Recipe, n_classes: int) -> None:
        super().__init__(state, recipe)
        self._pixels = len(state.rbm.visible_biases) - n_classes

    def _activate(self, x: Tensor, out: Tensor) -> None:
        torch.sigmoid(x[:, : self._pixels], out=out[:, : self._pixels])
        out[:, self._pixels :] = x[:, self._pixels :].softmax(dim=1)


def labelled(v: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Append one label unit per class to images [N, V]; that of `labels` [N] is on: [N, V + C]."""
    return torch.cat([v, torch.nn.functional.one_hot(labels, n_classes).to(v.dtype)], dim=1)


def clamped_goodness(rbm: RBM, v: Tensor, n_classes: int) -> Tensor:
    """Compute the goodness of images [N, V] with each label clamped, float64 nats [N, C]."""
    clamped = [
        goodness(rbm, labelled(v, torch.full((len(v),), label), n_classes))
        for label in range(n_classes)
    ]
    return torch.stack(clamped, dim=1)
