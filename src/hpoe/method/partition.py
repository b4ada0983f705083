"""Partition functions of RBMs: exact by enumeration, and by annealed importance sampling (AIS).

With log Z, goodness is a likelihood: log p(v) = g(v) - log Z. AIS follows Salakhutdinov and Murray
(2008), "On the quantitative analysis of deep belief networks"; the bounds from both directions
follow Grosse, Ghahramani and Adams (2015), "Sandwiching the marginal likelihood using
bidirectional Monte Carlo".

Shapes: D RBMs of one size, C chains of each, V visible units, H hidden units, K steps.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, inf, log, sqrt
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from hpoe.method.rbm import RBM
from hpoe.method.units import Bernoulli, VisibleUnits, bernoulli

MOST_UNITS = 25
"""Most units on the smaller side that are enumerated: 2^25 states."""
STATES_AT_ONCE = 7
"""Logarithm of the number of states summed in one operation: their inputs fit in a CPU's cache."""
LOW_SAMPLE_SIZE = 10
"""Effective number of chains below which an estimate is doubtful."""
STANDARD_ERRORS = 3.0
"""How far the bounds lie beyond the mean log weights: one in 700 fails where these are normal."""
PILOT = 0.1
"""Share of the temperatures that the search for a schedule takes, in addition."""


@dataclass(frozen=True)
class LogPartition:
    """An estimate of log Z, in nats, and what is known about its error."""

    value: float
    lower: float = -inf
    upper: float = inf
    effective_sample_size: float = inf
    """Number of independent chains of equal weight that would be as informative."""

    def __float__(self) -> float:
        """The estimate alone."""
        return self.value


Method = Literal["auto", "exact", "ais", "reverse_ais", "bounds"]
EASILY_ENUMERATED = 16
"""Units on the smaller side up to which "auto" enumerates."""


def log_partition(
    rbm: RBM,
    units: VisibleUnits,
    base: Tensor,
    method: Method,
    *,
    chains: int,
    temperatures: int,
    rng: np.random.Generator,
) -> LogPartition:
    """Compute or estimate log Z of one RBM by any of the methods.

    Args:
        rbm: any RBM.
        units: its visible units.
        base: biases [V] of independent visible units, with which annealing starts.
        method: "bounds" anneals forward, then back; "auto" is "exact" up to 16 units, else "ais".
        chains: number of annealed chains.
        temperatures: number of steps.
        rng: draws all random numbers.

    Raises:
        ValueError: "exact" is asked for where the smaller side has more than 25 units.
    """
    if method == "exact" or (method == "auto" and min(rbm.weights.shape) <= EASILY_ENUMERATED):
        value = exact_log_partition(rbm, units)
        return LogPartition(value, value, value)
    path = AnnealingPath([rbm], units, base[None])
    betas = schedule(path, temperatures, chains, rng)
    weights, v = forward_log_weights(path, betas, chains, rng)
    (below,) = forward_estimates(weights)
    if method in ("auto", "ais"):
        return below
    start = approximate_samples(path, weights, v, temperatures, rng)
    (above,) = reverse_estimates(reverse_log_weights(path, betas, start, rng))
    return above if method == "reverse_ais" else replace(below, upper=above.upper)


# Exact


@torch.inference_mode()
def exact_log_partition(rbm: RBM, units: VisibleUnits) -> float:
    """Log Z in float64, by enumerating the binary states of the side with fewer units.

    log Z = log sum_h exp(c.h + log_normaliser(b + W.h)), or the same with the sides exchanged
    where visible units are binary too. For every state of the other units, the last
    `STATES_AT_ONCE` are summed at once.

    Raises:
        ValueError: that side has more than 25 units.
    """
    weights, outer, inner = (
        part.double().cpu() for part in (rbm.weights.t(), rbm.visible_biases, rbm.hidden_biases)
    )
    if isinstance(units, Bernoulli) and len(outer) < len(inner):
        weights, outer, inner = weights.t(), inner, outer
    n_units = len(inner)
    if n_units > MOST_UNITS:
        raise ValueError(
            f"the exact log Z sums 2^{n_units} states: at most {MOST_UNITS} units on the smaller "
            "side can be enumerated; use method='ais'"
        )
    split = max(0, n_units - STATES_AT_ONCE)
    low = binary_states(n_units - split)
    low_input, low_bias = (weights[split:].t() @ low.t()).t(), low @ inner[split:]
    sums = []
    for high in torch.split(binary_states(split), 1024):
        inputs = outer + high @ weights[:split]
        inside = torch.stack([units.log_normaliser(low_input + x) for x in inputs]) + low_bias
        sums.append((inside.logsumexp(dim=1) + high @ inner[:split]).logsumexp(dim=0))
    return float(torch.stack(sums).logsumexp(dim=0))


def binary_states(n_units: int) -> Tensor:
    """All states of binary units in counting order, float64 [2^n, n]."""
    return (torch.arange(2**n_units)[:, None] >> torch.arange(n_units) & 1).double()


# Annealed importance sampling


class AnnealingPath:
    """Distributions from the base rates (beta 0) to the RBMs (beta 1).

    f(v) = exp(v.((1 - beta) a + beta b) + sum_j log(1 + exp(beta x_j))) with x = c + v.W, where a
    are the biases of a model of independent visible units.
    """

    def __init__(self, rbms: Sequence[RBM], units: VisibleUnits, base: Tensor) -> None:
        """Stack RBMs of one size, with the base model's biases [D, V]."""
        self._units = units
        self._weights = torch.stack([rbm.weights for rbm in rbms])
        self._visible = torch.stack([rbm.visible_biases for rbm in rbms])[:, None]
        self._hidden = torch.stack([rbm.hidden_biases for rbm in rbms])[:, None]
        self._base = base[:, None].to(self._weights)

    @property
    def n_models(self) -> int:
        """Number D of RBMs."""
        return len(self._weights)

    def base_log_partition(self) -> Tensor:
        """Log Z of the base models, in which hidden units are 0 or 1 alike; float64 [D]."""
        visible = self._units.log_normaliser(self._base.double())
        return visible.squeeze(1) + self._hidden.shape[2] * log(2)

    def base_samples(self, chains: int, rng: np.random.Generator) -> Tensor:
        """Draw from the base models, [D, C, V]."""
        return self._units.sample(self._base.expand(-1, chains, -1), rng)

    def hidden_input(self, v: Tensor) -> Tensor:
        """Compute x = c + v.W, [D, C, V] to [D, C, H]."""
        return torch.baddbmm(self._hidden, v, self._weights)

    def log_ratio(self, v: Tensor, x: Tensor, below: Tensor, above: Tensor) -> Tensor:
        """Log of f at `above` over f at `below` [D], float64 [D, C]."""
        low, high = below[:, None, None].to(x), above[:, None, None].to(x)
        hidden = (softplus(high * x) - softplus(low * x)).sum(dim=2, dtype=torch.float64)
        return hidden + (above - below)[:, None] * self._slope(v)

    def derivative(self, v: Tensor, x: Tensor, beta: Tensor) -> Tensor:
        """Compute d log f / d beta, float64 [D, C]; steps are short where it spreads."""
        gate = (beta[:, None, None].to(x) * x).sigmoid()
        return (gate * x).sum(dim=2, dtype=torch.float64) + self._slope(v)

    def step(self, x: Tensor, beta: Tensor, rng: np.random.Generator) -> Tensor:
        """Take one Gibbs step at `beta` [D] from hidden inputs x; return v [D, C, V]."""
        factor = beta[:, None, None].to(x)
        h = bernoulli((factor * x).sigmoid(), rng)
        up = torch.baddbmm(self._visible, h, self._weights.mT)
        return self._units.sample(torch.lerp(self._base.expand_as(up), up, factor), rng)

    def _slope(self, v: Tensor) -> Tensor:
        return (v @ (self._visible - self._base).mT).squeeze(2).double()


@torch.inference_mode()
def schedule(path: AnnealingPath, steps: int, chains: int, rng: np.random.Generator) -> Tensor:
    """Choose inverse temperatures 0 to 1, float64 [K + 1, D], from a pilot run.

    They lie so that each step changes the log weights by the same standard deviation, which
    minimises the variance of their sum (Gelman and Meng 1998, "Simulating normalizing constants").
    """
    pilot = torch.linspace(0, 1, max(10, round(PILOT * steps)), dtype=torch.float64)
    v, spreads = path.base_samples(chains, rng), []
    for beta in pilot:
        betas = beta.expand(path.n_models)
        x = path.hidden_input(v)
        spreads.append(path.derivative(v, x, betas).std(dim=1))
        v = path.step(x, betas, rng)
    return torch.from_numpy(_equal_lengths(pilot.numpy(), torch.stack(spreads).numpy(), steps))


def _equal_lengths(
    betas: NDArray[np.float64], spreads: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Place steps + 1 temperatures at equal integrals of the spreads [P, D]."""
    usual = spreads.mean(axis=0) + np.finfo(float).tiny
    density = np.maximum(spreads, 0.05 * usual)  # none is left out for a chance of the pilot
    pieces = (density[1:] + density[:-1]) / 2 * np.diff(betas)[:, None]
    lengths = np.vstack([np.zeros(pieces.shape[1]), pieces.cumsum(axis=0)])
    wanted = np.linspace(0, 1, steps + 1)
    columns = [np.interp(wanted, length / length[-1], betas) for length in lengths.T]
    return np.column_stack(columns)


@torch.inference_mode()
def forward_log_weights(
    path: AnnealingPath, betas: Tensor, chains: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Anneal from the base models to the RBMs.

    Args:
        path: from base models to RBMs.
        betas: inverse temperatures, 0 to 1, [K + 1, D].
        chains: number C per RBM.
        rng: draws all random numbers.

    Returns:
        Log weights, float64 [D, C], the mean of whose exponentials estimates Z without bias; and
        the last states [D, C, V].
    """
    v = path.base_samples(chains, rng)
    log_weights = path.base_log_partition()[:, None].expand(-1, chains).clone()
    for below, above in pairwise(betas):
        x = path.hidden_input(v)
        log_weights += path.log_ratio(v, x, below, above)
        v = path.step(x, above, rng)
    return log_weights, v


@torch.inference_mode()
def reverse_log_weights(
    path: AnnealingPath, betas: Tensor, start: Tensor, rng: np.random.Generator
) -> Tensor:
    """Anneal from the RBMs to the base models.

    Args:
        path: from base models to RBMs.
        betas: inverse temperatures, 0 to 1, [K + 1, D].
        start: samples of the RBMs [D, C, V].
        rng: draws all random numbers.

    Returns:
        Log weights, float64 [D, C]: the mean of exp(-log weight) estimates 1 / Z without bias if
        the start is distributed as the RBM is.
    """
    v = start
    log_weights = path.base_log_partition()[:, None].expand(-1, v.shape[1]).clone()
    for above, below in pairwise(reversed(betas)):
        x = path.hidden_input(v)
        log_weights += path.log_ratio(v, x, below, above)
        v = path.step(x, below, rng)
    return log_weights


@torch.inference_mode()
def approximate_samples(
    path: AnnealingPath, log_weights: Tensor, v: Tensor, steps: int, rng: np.random.Generator
) -> Tensor:
    """Turn the last states [D, C, V] of a forward run into samples of the RBMs.

    They are drawn again by their weights, then moved by `steps` Gibbs steps.
    """
    chains = v.shape[1]
    chosen = np.stack([rng.choice(chains, chains, p=p) for p in log_weights.softmax(1).numpy()])
    v = v.gather(1, torch.from_numpy(chosen)[:, :, None].expand_as(v))
    ones = v.new_ones(path.n_models)
    for _ in range(steps):
        v = path.step(path.hidden_input(v), ones, rng)
    return v


def forward_estimates(log_weights: Tensor) -> list[LogPartition]:
    """Estimates of log Z from forward log weights [D, C], each with a stochastic lower bound.

    The mean of the log weights is at most log Z by Jensen's inequality; the bound lies
    `STANDARD_ERRORS` below it.
    """
    return [
        _estimate(row, float(row.logsumexp(0)) - log(len(row)), lower=True) for row in log_weights
    ]


def reverse_estimates(log_weights: Tensor) -> list[LogPartition]:
    """Estimates of log Z from reverse log weights [D, C], each with a stochastic upper bound."""
    return [
        _estimate(row, log(len(row)) - float((-row).logsumexp(0)), lower=False)
        for row in log_weights
    ]


def _estimate(row: Tensor, value: float, *, lower: bool) -> LogPartition:
    sign = 1 if lower else -1
    size = exp(2 * float((sign * row).logsumexp(0)) - float((2 * sign * row).logsumexp(0)))
    if size < LOW_SAMPLE_SIZE:
        warnings.warn(
            f"log Z rests on {size:.1f} effective chains of {len(row)}: use more temperatures",
            stacklevel=2,
        )
    bound = float(row.mean()) - sign * STANDARD_ERRORS * float(row.std()) / sqrt(len(row))
    if lower:
        return LogPartition(value, lower=bound, effective_sample_size=size)
    return LogPartition(value, upper=bound, effective_sample_size=size)
