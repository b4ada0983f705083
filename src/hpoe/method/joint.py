"""One density model of pixels and labels (section 6): an RBM with label units beside the pixels.

Shapes: N images, V pixels, C classes, H hidden units, B images of a minibatch. All float32.
"""

import torch
from torch import Tensor

from hpoe.method.rbm import RBM, ContrastiveDivergence, TrainingState, goodness
from hpoe.method.recipe import Recipe


class JointDivergence(ContrastiveDivergence):
    """CD-1 whose last visible units are labels, of which the reconstruction is a softmax."""

    def __init__(self, state: TrainingState, recipe: Recipe, classes: int) -> None:
        super().__init__(state, recipe)
        self._pixels = len(state.rbm.visible_biases) - classes

    def _activate(self, x: Tensor, out: Tensor) -> None:
        torch.sigmoid(x[:, : self._pixels], out=out[:, : self._pixels])
        out[:, self._pixels :] = x[:, self._pixels :].softmax(dim=1)


def labelled(v: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Images [N, V] with exactly one label unit on, that of `labels` [N]: [N, V + C]."""
    return torch.cat([v, torch.nn.functional.one_hot(labels, classes).to(v.dtype)], dim=1)


def clamped_goodness(rbm: RBM, v: Tensor, classes: int) -> Tensor:
    """Goodness of images [N, V] with each label clamped in turn, float64 nats [N, C]."""
    clamped = [
        goodness(rbm, labelled(v, torch.full((len(v),), label), classes))
        for label in range(classes)
    ]
    return torch.stack(clamped, dim=1)
