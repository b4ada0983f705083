"""Samples from a model, its "fantasies", by alternating Gibbs sampling (section 1, figure 1)."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from hpoe.method.rbm import RBM, hidden_probabilities, visible_probabilities
from hpoe.method.units import bernoulli


def gibbs_chain(
    rbm: RBM, start: Tensor, steps: Sequence[int], rng: np.random.Generator
) -> list[Tensor]:
    """Run chains from images `start` [N, V]; return p(v|h) [N, V] after each number of steps.

    A step samples all binary hidden units given the visible ones, then all visible units given
    those. The numbers of steps ascend; after 0 steps, p(v|h) is the start itself.
    """
    snapshots, v, p = [], start, start
    for step in range(steps[-1] + 1):
        if step:
            p = visible_probabilities(rbm, bernoulli(hidden_probabilities(rbm, v), rng))
            v = bernoulli(p, rng)
        if step in steps:
            snapshots.append(p)
    return snapshots
