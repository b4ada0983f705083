"""One restricted Boltzmann machine: conditionals, goodness, training by CD-1 (sections 1, 3, 4).

Shapes: V visible units, H hidden units, N images, B images of a minibatch. All tensors float32
unless said otherwise; goodness is float64.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.blas import sgemm
from torch import Tensor

from hpoe.params import Recipe


@dataclass(frozen=True)
class RBM:
    """Weights W [V, H], visible biases b [V] and hidden biases c [H]."""

    weights: Tensor
    visible_biases: Tensor
    hidden_biases: Tensor

    def to(self, device: str) -> "RBM":
        """The same RBM on a device; itself where it is there already."""
        parts = (self.weights, self.visible_biases, self.hidden_biases)
        return RBM(*(part.to(device) for part in parts))


def hidden_probabilities(rbm: RBM, v: Tensor) -> Tensor:
    """p(h_j = 1 | v) = s(c_j + v.W_j), [N, V] to [N, H] (eq. 2)."""
    return torch.addmm(rbm.hidden_biases, v, rbm.weights).sigmoid_()


def visible_probabilities(rbm: RBM, h: Tensor) -> Tensor:
    """p(v_i = 1 | h) = s(b_i + W_i.h), [N, H] to [N, V] (eq. 2)."""
    return torch.addmm(rbm.visible_biases, h, rbm.weights.t()).sigmoid_()


def goodness(rbm: RBM, v: Tensor) -> Tensor:
    """g(v) = b.v + sum_j log(1 + exp(c_j + v.W_j)), minus the free energy; nats, [N] (section 4).

    The sum over hidden units is made in float64: hundreds of terms would cost float32 its last
    digits, on which images of the same class differ.
    """
    return _goodness(rbm, v, torch.addmm(rbm.hidden_biases, v, rbm.weights))


def hidden_probabilities_and_goodness(rbm: RBM, v: Tensor) -> tuple[Tensor, Tensor]:
    """Both at the price of one matrix product: [N, H] and [N]."""
    x = torch.addmm(rbm.hidden_biases, v, rbm.weights)
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
    """Squared error of CD-1's reconstructions, a training image, averaged over the epoch."""
    goodness_train: float
    """Mean goodness of a fixed sample of training images, nats."""
    goodness_heldout: float
    """The same for images of the digit that do not train it; the gap shows overfitting."""
    mean_hidden_activity: float
    """Mean p(h|v) over the training sample and hidden units."""
    weight_norm: float
    """Euclidean norm of the weights."""


def initial_state(
    recipe: Recipe, layer: int, visible: int, rng: np.random.Generator
) -> TrainingState:
    """Weights drawn from a zero-mean Gaussian, biases 0 (section 3)."""
    shape = (visible, recipe.units[layer - 1])
    weights = rng.standard_normal(shape, dtype=np.float32) * np.float32(
        recipe.initial_standard_deviation
    )
    zeros = RBM(torch.zeros(shape), torch.zeros(shape[0]), torch.zeros(shape[1]))
    rbm = RBM(torch.from_numpy(weights), zeros.visible_biases.clone(), zeros.hidden_biases.clone())
    return TrainingState(rbm, increments=zeros)


def learning_rate(recipe: Recipe, update: int, updates: int) -> float:
    """The rate of update number `update` (from 0) of `updates` in all."""
    half = updates / 2
    if recipe.learning_rate_schedule == "constant" or update < half:
        return recipe.learning_rate
    return recipe.learning_rate * (updates - update) / (updates - half)


class ContrastiveDivergence:
    """CD-1 updates in place, with every intermediate in a buffer made once.

    An update is five matrix products. The two of the statistics, v0'p_h0 and -v1'p_h1, are done as
    one product of the stacked pairs, added to the increments in place.

    NumPy and SciPy make the products: their OpenBLAS uses all of a processor's vector units,
    whoever made it, which PyTorch's MKL does only for its own maker's. SciPy's `sgemm` takes arrays
    column by column, that is ours transposed; unlike NumPy it adds to what is there.
    """

    def __init__(self, state: TrainingState, recipe: Recipe) -> None:
        self._rbm = state.rbm
        self._increments = state.increments
        self._weight_decay = recipe.weight_decay
        self._hidden = state.rbm.weights.shape[1]
        self._weights = state.rbm.weights.numpy()
        self._weight_increments = state.increments.weights.numpy()
        assert self._weight_increments.flags.c_contiguous  # noqa: S101 - `sgemm` would add to a copy
        self._buffers: dict[int, _Buffers] = {}

    def update(
        self, v0: Tensor, uniform: Tensor, *, learning_rate: float, momentum: float
    ) -> Tensor:
        """One minibatch (eqs. 6 and 7).

        Args:
            v0: data [B, V] in [0, 1].
            uniform: random numbers in [0, 1) [B, H] that decide the binary hidden states.
            learning_rate: of eq. 7.
            momentum: mu of eq. 7.

        Returns:
            The squared reconstruction error summed over the minibatch, a scalar tensor.
        """
        size = len(v0)
        if size not in self._buffers:
            self._buffers[size] = _Buffers(size, *self._rbm.weights.shape)
        its, rbm, increments, w = self._buffers[size], self._rbm, self._increments, self._weights

        its.v_pos.copy_(v0)
        np.matmul(its.v_pos_array, w, out=its.h_pos_array)
        its.h_pos.add_(rbm.hidden_biases).sigmoid_()
        torch.gt(its.h_pos, uniform, out=its.h_states)
        sgemm(1, w.T, its.h_states_t, 0, its.v_neg_t, trans_a=True, overwrite_c=True)
        self._activate(its.v_neg.add_(rbm.visible_biases))
        np.matmul(its.v_neg_array, w, out=its.h_neg_array)
        its.h_neg.add_(rbm.hidden_biases).sigmoid_().neg_()
        torch.sub(its.v_pos, its.v_neg, out=its.difference)

        step, decay = learning_rate / size, learning_rate * self._weight_decay
        increments.weights.mul_(momentum).add_(rbm.weights, alpha=-decay)
        increments_t = self._weight_increments.T
        sgemm(step, its.h_pair_t, its.v_pair_t, 1, increments_t, trans_b=True, overwrite_c=True)
        increments.visible_biases.mul_(momentum).add_(its.difference.sum(0), alpha=step)
        increments.hidden_biases.mul_(momentum).add_(its.h_pair.sum(0), alpha=step)
        rbm.weights.add_(increments.weights)
        rbm.visible_biases.add_(increments.visible_biases)
        rbm.hidden_biases.add_(increments.hidden_biases)
        return torch.dot(its.flat_difference, its.flat_difference)

    def _activate(self, x: Tensor) -> None:
        """Turn the visible units' total inputs x [B, V] into their probabilities, in place."""
        x.sigmoid_()

    @torch.inference_mode()
    def epoch(self, data: Tensor, rng: np.random.Generator, recipe: Recipe, epoch: int) -> float:
        """One pass over the data [N, V] in fixed order; the mean squared error an image."""
        minibatches = torch.split(data, recipe.minibatch_size)
        updates = recipe.epochs * len(minibatches)
        uniform: NDArray[np.float32] = np.empty((recipe.minibatch_size, self._hidden), np.float32)
        error = torch.zeros(())
        for number, v0 in enumerate(minibatches, start=epoch * len(minibatches)):
            drawn = rng.random(dtype=np.float32, out=uniform[: len(v0)])
            error += self.update(
                v0,
                torch.from_numpy(drawn),
                learning_rate=learning_rate(recipe, number, updates),
                momentum=recipe.momentum if number >= recipe.momentum_start else 0.0,
            )
        return float(error) / len(data)


class _Buffers:
    """Intermediates of minibatches of one size, and every view of them that an update needs.

    Tensors and arrays share their memory; the latter are transposed where their name ends in `_t`.
    """

    def __init__(self, size: int, visible: int, hidden: int) -> None:
        self.v_pair, self.h_pair = torch.empty(2 * size, visible), torch.empty(2 * size, hidden)
        self.v_pos, self.v_neg = torch.split(self.v_pair, size)
        self.h_pos, self.h_neg = torch.split(self.h_pair, size)
        self.h_states, self.difference = torch.empty(size, hidden), torch.empty(size, visible)
        self.flat_difference = self.difference.view(-1)
        self.v_pos_array, self.v_neg_array = self.v_pos.numpy(), self.v_neg.numpy()
        self.h_pos_array, self.h_neg_array = self.h_pos.numpy(), self.h_neg.numpy()
        self.v_pair_t, self.h_pair_t = self.v_pair.numpy().T, self.h_pair.numpy().T
        self.h_states_t, self.v_neg_t = self.h_states.numpy().T, self.v_neg_array.T


def measure(rbm: RBM, error: float, train_sample: Tensor, heldout: Tensor) -> EpochCurves:
    """A point of the learning curves, from fixed samples [N, V] of training and held-out images."""
    activity, good = hidden_probabilities_and_goodness(rbm, train_sample)
    return EpochCurves(
        reconstruction_error=error,
        goodness_train=float(good.mean()),
        goodness_heldout=float(goodness(rbm, heldout).mean()),
        mean_hidden_activity=float(activity.mean()),
        weight_norm=float(torch.linalg.vector_norm(rbm.weights)),
    )
