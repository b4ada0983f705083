"""Fantasies: what a model believes in, by alternating Gibbs sampling (section 1, figure 1)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hpoe.method.rbm import RBM, hidden_probabilities, visible_probabilities


def gibbs_chain(
    rbm: RBM, start: Tensor, steps: Sequence[int], rng: np.random.Generator
) -> list[Tensor]:
    """Chains from images `start` [N, V], as they are after ascending numbers of steps: [N, V] each.

    A step samples all binary hidden units given the visible ones, then all visible ones given
    these. Given back is p(v|h), whose sample the chain goes on from; after 0 steps, the start.
    """
    seen, v = [], start
    p = start
    for step in range(steps[-1] + 1):
        if step:
            p = visible_probabilities(rbm, _sampled(hidden_probabilities(rbm, v), rng))
            v = _sampled(p, rng)
        if step in steps:
            seen.append(p)
    return seen


def _sampled(p: Tensor, rng: np.random.Generator) -> Tensor:
    return (torch.from_numpy(rng.random(tuple(p.shape), np.float32)) < p).to(p.dtype)
