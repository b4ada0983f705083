"""Gibbs chains of one RBM with any visible units: longer divergences, persistent chains, samples.

Shapes: V visible units, H hidden units, N chains, B images of a minibatch. All float32.
"""

from collections.abc import Iterator
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from hpoe.method.products import affine
from hpoe.method.rbm import RBM, Buffers, ContrastiveDivergence, TrainingState, hidden_probabilities
from hpoe.method.recipe import Recipe
from hpoe.method.units import VisibleUnits, bernoulli


def gibbs_states(
    rbm: RBM, units: VisibleUnits, v: Tensor, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Yield the visible states [N, V] of chains that start from v, without end (section 1)."""
    for _ in repeat(None):
        h = bernoulli(hidden_probabilities(rbm, v), rng)
        v = units.sample(affine(h, rbm.weights.t(), rbm.visible_biases), rng)
        yield v


class GibbsDivergence(ContrastiveDivergence):
    """CD-k with k Gibbs steps, or persistent contrastive divergence, for any visible units.

    CD-k starts from the data's hidden states and takes the visible units' expected values in its
    last step, as CD-1 does (section 1). Persistent chains start where the last update left them,
    and all their units are sampled (Tieleman 2008, "Training restricted Boltzmann machines using
    approximations to the likelihood gradient").
    """

    def __init__(
        self,
        state: TrainingState,
        recipe: Recipe,
        units: VisibleUnits,
        *,
        steps: int = 1,
        chains: Tensor | None = None,
    ) -> None:
        """Make a divergence of `steps` Gibbs steps; `chains`, hidden states [B, H], persist."""
        super().__init__(state, recipe)
        self._units, self._steps, self._chains = units, steps, chains
        self._rng = np.random.default_rng()

    def epoch(self, data: Tensor, rng: np.random.Generator, recipe: Recipe, epoch: int) -> float:
        """Pass over data [N, V] once, in fixed order; return the mean squared error per image."""
        (self._rng,) = rng.spawn(1)
        return super().epoch(data, rng, recipe, epoch)

    def _reconstruct(self, buffers: Buffers, uniform: Tensor) -> None:
        rbm, units, chains = self._rbm, self._units, self._chains
        if chains is None:
            h = torch.gt(buffers.h_pos, uniform, out=buffers.h_states)
        else:
            h = chains[: len(uniform)]
        for _ in range(self._steps - 1):
            v = units.sample(self._input(h), self._rng)
            h = bernoulli(hidden_probabilities(rbm, v), self._rng)
        x = self._input(h)
        buffers.v_neg.copy_(units.mean(x) if chains is None else units.sample(x, self._rng))
        torch.sigmoid(affine(buffers.v_neg, rbm.weights, rbm.hidden_biases), out=buffers.h_neg)
        if chains is not None:
            torch.gt(buffers.h_neg, uniform, out=chains[: len(uniform)])

    def _input(self, h: Tensor) -> Tensor:
        return affine(h, self._weights_t, self._rbm.visible_biases)
