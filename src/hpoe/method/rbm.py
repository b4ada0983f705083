"""One restricted Boltzmann machine: conditionals, goodness, training by CD-1 (sections 1, 3, 4).

Shapes: V visible units, H hidden units, N images, B images of a minibatch. All tensors float32
unless said otherwise; goodness is float64.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpoe.method.products import affine
from hpoe.method.randomness import uniform_minibatches
from hpoe.method.recipe import Recipe, epoch_rates
from hpoe_recognition.normalization import unit_interval

BLOCK = 200_000
"""Most weights updated per block, so that the gradient is still in cache."""


@dataclass(frozen=True)
class RBM:
    """Weights W [V, H], visible biases b [V] and hidden biases c [H]."""

    weights: Tensor
    visible_biases: Tensor
    hidden_biases: Tensor

    def to(self, device: str) -> "RBM":
        """Return the RBM on a device; itself if it is there already."""
        return RBM(*(part.to(device) for part in vars(self).values()))


def visible_units(images: NDArray[np.uint8]) -> Tensor:
    """Images uint8 [N, rows, columns] as probabilities of visible units [N, V] (section 2)."""
    return torch.from_numpy(unit_interval(images))


def hidden_probabilities(rbm: RBM, v: Tensor) -> Tensor:
    """p(h_j = 1 | v) = s(c_j + v.W_j), [N, V] to [N, H] (eq. 2)."""
    return affine(v, rbm.weights, rbm.hidden_biases).sigmoid_()


def visible_probabilities(rbm: RBM, h: Tensor) -> Tensor:
    """p(v_i = 1 | h) = s(b_i + W_i.h), [N, H] to [N, V] (eq. 2)."""
    return affine(h, rbm.weights.t(), rbm.visible_biases).sigmoid_()


def goodness(rbm: RBM, v: Tensor) -> Tensor:
    """g(v) = b.v + sum_j log(1 + exp(c_j + v.W_j)), minus the free energy; nats, [N] (section 4).

    The sum over hidden units is taken in float64: in float32, hundreds of terms would lose the last
    digits, in which images of the same class differ.
    """
    return _goodness(rbm, v, affine(v, rbm.weights, rbm.hidden_biases))


def hidden_probabilities_and_goodness(rbm: RBM, v: Tensor) -> tuple[Tensor, Tensor]:
    """p(h|v) [N, H] and goodness [N] from one matrix product."""
    x = affine(v, rbm.weights, rbm.hidden_biases)
    g = _goodness(rbm, v, x)
    return x.sigmoid_(), g


def _goodness(rbm: RBM, v: Tensor, x: Tensor) -> Tensor:
    """Goodness from the hidden units' total inputs x [N, H].

    log(1 + exp(x)) = logaddexp(x, 0) neither overflows nor drops the tail for x very negative.
    """
    softplus = torch.logaddexp(x, x.new_zeros(()))
    return softplus.sum(dim=1, dtype=torch.float64) + v.double() @ rbm.visible_biases.double()


@dataclass
class TrainingState:
    """What a checkpoint holds: the RBM, the last increments of eq. 7, and the epochs completed."""

    rbm: RBM
    increments: RBM
    epochs: int = 0


@dataclass(frozen=True)
class EpochCurves:
    """One point of the learning curves, taken after an epoch."""

    reconstruction_error: float
    """Squared error of CD-1's reconstructions per training image, averaged over the epoch."""
    goodness_train: float
    """Mean goodness of a fixed sample of training images, nats."""
    goodness_heldout: float
    """The same for held-out images of the digit; the gap shows overfitting."""
    mean_hidden_activity: float
    """Mean p(h|v) over the training sample and hidden units."""
    weight_norm: float
    """Euclidean norm of the weights."""


def initial_state(
    recipe: Recipe, layer: int, visible: int, rng: np.random.Generator
) -> TrainingState:
    """Draw weights from a zero-mean Gaussian; biases are 0 (section 3)."""
    shape = (visible, recipe.units[layer - 1])
    weights = rng.standard_normal(shape, dtype=np.float32) * np.float32(
        recipe.initial_standard_deviation
    )
    zeros = RBM(torch.zeros(shape), torch.zeros(shape[0]), torch.zeros(shape[1]))
    rbm = RBM(torch.from_numpy(weights), zeros.visible_biases.clone(), zeros.hidden_biases.clone())
    return TrainingState(rbm, increments=zeros)


class ContrastiveDivergence:
    """CD-1 updates in place, dominated by five matrix products each.

    The two products of the statistics, v0'p_h0 and -v1'p_h1, are computed as one product of the
    stacked pairs. Eq. 7 takes one pass over weights and increments, one block of rows at a time.
    """

    def __init__(self, state: TrainingState, recipe: Recipe) -> None:
        self._rbm = state.rbm
        self._increments = state.increments
        self._weight_decay = recipe.weight_decay
        self._weights_t = state.rbm.weights.t()
        self._blocks = -(-state.rbm.weights.numel() // BLOCK)
        matrices = state.rbm.weights, state.increments.weights
        self._rows = tuple(zip(*(each.chunk(self._blocks) for each in matrices), strict=True))
        self._buffers: dict[int, Buffers] = {}

    def update(
        self, v0: Tensor, uniform: Tensor, *, learning_rate: float, momentum: float
    ) -> Tensor:
        """Update the RBM by one minibatch (eqs. 6 and 7).

        Args:
            v0: data [B, V] in [0, 1].
            uniform: random numbers in [0, 1) [B, H] that decide the binary hidden states.
            learning_rate: of eq. 7.
            momentum: mu of eq. 7.

        Returns:
            The squared reconstruction error summed over the minibatch, a scalar tensor.
        """
        size, rbm, increments = len(v0), self._rbm, self._increments
        if size not in self._buffers:
            self._buffers[size] = Buffers(size, rbm.weights, self._blocks)
        buffers = self._buffers[size]

        buffers.v_pos.copy_(v0)
        torch.sigmoid(affine(buffers.v_pos, rbm.weights, rbm.hidden_biases), out=buffers.h_pos)
        self._reconstruct(buffers, uniform)
        torch.sub(buffers.v_pos, buffers.v_neg, out=buffers.difference)

        torch.mul(buffers.signs, learning_rate / size, out=buffers.steps)
        buffers.h_pair.mul_(buffers.steps)  # scale the smaller factor of all statistics
        visible = torch.mv(buffers.difference_t, buffers.visible_steps)
        hidden = torch.mv(buffers.h_pair_t, buffers.ones)
        biases = [rbm.visible_biases, rbm.hidden_biases]
        last = [increments.visible_biases, increments.hidden_biases]
        decay = learning_rate * self._weight_decay
        for v_t, (weights, increment) in zip(buffers.v_pair_blocks, self._rows, strict=True):
            apply_update([weights], [affine(v_t, buffers.h_pair)], [increment], momentum, decay)
        apply_update(biases, [visible, hidden], last, momentum)
        return torch.dot(buffers.flat_difference, buffers.flat_difference)

    def _reconstruct(self, buffers: "Buffers", uniform: Tensor) -> None:
        """Write the negative phase: visible units v_neg [B, V], and p(h|v_neg) [B, H]."""
        rbm = self._rbm
        torch.gt(buffers.h_pos, uniform, out=buffers.h_states)
        self._activate(affine(buffers.h_states, self._weights_t, rbm.visible_biases), buffers.v_neg)
        torch.sigmoid(affine(buffers.v_neg, rbm.weights, rbm.hidden_biases), out=buffers.h_neg)

    def _activate(self, x: Tensor, out: Tensor) -> None:
        """Write the probabilities of visible units, whose total inputs are x [B, V]."""
        torch.sigmoid(x, out=out)

    @torch.inference_mode()
    def epoch(self, data: Tensor, rng: np.random.Generator, recipe: Recipe, epoch: int) -> float:
        """Pass over data [N, V] once, in fixed order; return the mean squared error per image."""
        minibatches = torch.split(data, recipe.minibatch_size)
        rates = epoch_rates(recipe, epoch, len(minibatches))
        shape = recipe.minibatch_size, self._rbm.weights.shape[1]
        drawn = uniform_minibatches(rng, len(minibatches), shape)
        error = data.new_zeros(())
        for v0, uniform, (rate, momentum) in zip(minibatches, drawn, rates, strict=True):
            u = uniform[: len(v0)].to(data.device)
            error += self.update(v0, u, learning_rate=rate, momentum=momentum)
        return float(error) / len(data)


class Buffers:
    """Intermediates for minibatches of one size, allocated once, and the views an update needs."""

    def __init__(self, size: int, weights: Tensor, blocks: int) -> None:
        visible, hidden = weights.shape
        empty, ones = weights.new_empty, weights.new_ones
        v_pair, self.h_pair = empty(2 * size, visible), empty(2 * size, hidden)
        self.v_pos, self.v_neg = torch.split(v_pair, size)
        self.h_pos, self.h_neg = torch.split(self.h_pair, size)
        self.h_states, difference = empty(size, hidden), empty(size, visible)
        self.difference, self.flat_difference = difference, difference.view(-1)
        self.v_pair_blocks, self.h_pair_t = v_pair.t().chunk(blocks), self.h_pair.t()
        self.difference_t = difference.t()
        self.ones = ones(2 * size)
        self.signs = torch.cat([ones(size, 1), -ones(size, 1)])
        self.steps = empty(2 * size, 1)
        self.visible_steps = self.steps[:size, 0]


def apply_update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    increments: list[Tensor],
    momentum: float,
    decay: float = 0.0,
) -> None:
    """Apply eq. 7 in place: increments = mu increments + gradients - decay parameters.

    The increments are then added to the parameters. PyTorch's fused SGD step does this in one pass;
    it descends, hence the negative rate and decay.
    """
    if momentum == 0:  # the fused step would leave the increments unchanged
        for increment in increments:
            increment.zero_()
    torch._fused_sgd_(
        parameters,
        gradients,
        increments,
        weight_decay=-decay,
        momentum=momentum or 1.0,
        lr=-1.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )


def measure(rbm: RBM, error: float, train_sample: Tensor, heldout: Tensor) -> EpochCurves:
    """Compute a point of the curves from fixed samples [N, V] of training and held-out images."""
    activity, good = hidden_probabilities_and_goodness(rbm, train_sample)
    return EpochCurves(
        reconstruction_error=error,
        goodness_train=float(good.mean()),
        goodness_heldout=float(goodness(rbm, heldout).mean()),
        mean_hidden_activity=float(activity.mean()),
        weight_norm=float(torch.linalg.vector_norm(rbm.weights)),
    )
