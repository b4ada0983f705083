"""Visible units: what an RBM takes its data for, Bernoulli as in the paper or Gaussian.

With the total input x_i = b_i + W_i.h of a visible unit, both are exponential families:
p(v_i | h) = exp(v_i x_i + log_base(v_i) - log_normaliser(x_i)). Gaussian units have variance 1, so
their data are standardised.

Shapes: N images or chains, V visible units; functions act on any leading dimensions.
"""

from math import log, pi
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

FACTORS = 1000
"""Factors of at most 2 whose product is below float64's largest number, 2^1024."""

Kind = Literal["bernoulli", "gaussian"]


class VisibleUnits(Protocol):
    """The conditional distribution of visible units given their total inputs x [N, V]."""

    def mean(self, x: Tensor) -> Tensor:
        """Expected values [N, V]."""
        ...

    def sample(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Draw values [N, V]."""
        ...

    def log_normaliser(self, x: Tensor) -> Tensor:
        """Log of the sum, or integral, over all values of the units; x and result float64 [N]."""
        ...

    def log_base(self, v: Tensor) -> Tensor:
        """Log density of values v [N, V] at x = 0, but for a constant, summed; nats [N]."""
        ...

    def natural(self, mean: Tensor) -> Tensor:
        """The total inputs at which units have these means: the biases of a model of base rates."""
        ...


class Bernoulli:
    """Units that are 0 or 1; data in [0, 1] are their probabilities."""

    def mean(self, x: Tensor) -> Tensor:
        """s(x) (eq. 2)."""
        return x.sigmoid()

    def sample(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """1 with probability s(x), else 0."""
        return bernoulli(x.sigmoid(), rng)

    def log_normaliser(self, x: Tensor) -> Tensor:
        """sum_i log(1 + e^x_i), with one logarithm for many factors 1 + e^-|x_i|."""
        factors = torch.split(x.abs().neg_().exp_().add_(1), FACTORS, dim=-1)
        return sum((part.prod(dim=-1).log_() for part in factors), x.clamp_min(0).sum(dim=-1))

    def log_base(self, v: Tensor) -> Tensor:
        """0."""
        return v.new_zeros(v.shape[:-1])

    def natural(self, mean: Tensor) -> Tensor:
        """log(p / (1 - p)), with p kept 0.001 away from 0 and 1 (Hinton's guide, section 8)."""
        return mean.clamp(0.001, 0.999).logit()


class Gaussian:
    """Units with any value, of variance 1."""

    def mean(self, x: Tensor) -> Tensor:
        """The total input itself."""
        return x

    def sample(self, x: Tensor, rng: np.random.Generator) -> Tensor:
        """Normal with mean x."""
        return x + torch.from_numpy(rng.standard_normal(tuple(x.shape), np.float32)).to(x)

    def log_normaliser(self, x: Tensor) -> Tensor:
        """sum_i x_i^2 / 2 + log(2 pi) / 2."""
        return (x.square() + log(2 * pi)).sum(dim=-1) / 2

    def log_base(self, v: Tensor) -> Tensor:
        """-|v|^2 / 2."""
        return -v.square().sum(dim=-1) / 2

    def natural(self, mean: Tensor) -> Tensor:
        """The means themselves."""
        return mean


UNITS: dict[Kind, VisibleUnits] = {"bernoulli": Bernoulli(), "gaussian": Gaussian()}


def bernoulli(p: Tensor, rng: np.random.Generator) -> Tensor:
    """Draw 1 with probability p, else 0, of p's shape and dtype."""
    uniform = torch.from_numpy(rng.random(tuple(p.shape), np.float32)).to(p.device)
    return torch.lt(uniform, p, out=uniform).to(p.dtype)
