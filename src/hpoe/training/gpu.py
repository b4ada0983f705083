"""Training all classes of a layer as one computation on a GPU, with batched matrix products.

Shapes: D classes, V visible units, H hidden units, N images of a class, B images of a minibatch.
RBMs of many classes have weights [D, V, H] and biases [D, 1, V] and [D, 1, H].

The method is that of `hpoe.method.rbm`, which is the reference. Only one point of the curves per
epoch and checkpoints are copied between GPU and host.
"""

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hpoe.compute.progress import Board
from hpoe.errors import WorkerError
from hpoe.method.randomness import entropy
from hpoe.method.rbm import RBM, EpochCurves, TrainingState
from hpoe.method.recipe import Recipe, epoch_rates
from hpoe.training.checkpoints import save_training
from hpoe.training.layer import CURVE_SAMPLE, LoadedTask, load_task, publish
from hpoe.training.tasks import Trained, TrainingTask


def train_together(tasks: Sequence[TrainingTask], device: str = "cuda") -> Iterator[Trained]:
    """Train one layer of many classes of a network, except those that are trained already.

    Classes with the same number of images and of completed epochs are trained as one computation.

    Raises:
        DataError, WeightsError: an input is missing or damaged.
        WorkerError: the GPU's memory does not hold the classes.
    """
    groups: dict[tuple[int, ...], list[LoadedTask]] = {}
    for task in tasks:
        loaded = load_task(task)
        if loaded.is_trained:
            yield publish(loaded)
            continue
        shapes = loaded.unsupervised.shape, loaded.heldout.shape
        groups.setdefault((loaded.epochs_before, *shapes[0], *shapes[1]), []).append(loaded)
    for group in groups.values():
        try:
            _run_epochs(group, device)
        except torch.OutOfMemoryError:
            raise WorkerError(
                f"{len(group)} classes of {len(group[0].unsupervised)} images do not fit into the "
                "GPU's memory: set HPOE_DEVICE to cpu"
            ) from None
        yield from map(publish, group)


@torch.inference_mode()
def _run_epochs(group: Sequence[LoadedTask], device: str) -> None:
    """Train the remaining epochs; save checkpoints at intervals and after the last epoch."""
    task, boards = group[0].task, [Board(each.task.board) for each in group]
    pairs = [each.data(device) for each in group]
    data, heldout = (torch.stack(part) for part in zip(*pairs, strict=True))
    del pairs
    divergence = BatchedDivergence([each.training.state for each in group], task.recipe, device)
    uniform = torch.empty(*data.shape[:2], task.recipe.units[task.layer - 1], device=device)
    saved = time.monotonic()
    for epoch in range(group[0].epochs_before, task.recipe.epochs):
        for row, each in zip(uniform, group, strict=True):
            row.uniform_(generator=_generator(each.task, epoch, device))
        errors = divergence.epoch(data, uniform, epoch)
        points = divergence.measure(errors, data[:, :CURVE_SAMPLE], heldout)
        for each, point in zip(group, points, strict=True):
            each.add_point(point)
        last = epoch + 1 == task.recipe.epochs
        if last or time.monotonic() - saved >= task.checkpoint_seconds:
            for each, state in zip(group, divergence.states(epoch + 1), strict=True):
                each.training.state = state
                save_training(each.checkpoint, each.training)
            saved = time.monotonic()
        for board, each in zip(boards, group, strict=True):
            board.show(each.task.position, epoch + 1)


def _generator(task: TrainingTask, epoch: int, device: str) -> torch.Generator:
    """The generator of a class's hidden states in an epoch, independent of the other classes."""
    bits = entropy(task.seed, task.network, task.layer, task.label, "hidden states", epoch)
    return torch.Generator(device).manual_seed(bits % 2**63)  # the largest seed allowed


class BatchedDivergence:
    """CD-1 updates of many RBMs at once; `ContrastiveDivergence` is the same for one."""

    def __init__(self, states: Sequence[TrainingState], recipe: Recipe, device: str) -> None:
        self._recipe = recipe
        self._rbms = _stacked([state.rbm for state in states], device)
        self._increments = _stacked([state.increments for state in states], device)

    def update(
        self, v0: Tensor, uniform: Tensor, *, learning_rate: float, momentum: float
    ) -> Tensor:
        """Update with one minibatch of each class (eqs. 6 and 7).

        Args:
            v0: data [D, B, V] in [0, 1].
            uniform: random numbers in [0, 1) [D, B, H] that decide the binary hidden states.
            learning_rate: of eq. 7.
            momentum: mu of eq. 7.

        Returns:
            The squared reconstruction error summed over each minibatch, [D].
        """
        rbms, increments = self._rbms, self._increments
        h_pos = torch.baddbmm(rbms.hidden_biases, v0, rbms.weights).sigmoid_()
        h_states = torch.gt(h_pos, uniform).to(v0.dtype)
        v_neg = torch.baddbmm(rbms.visible_biases, h_states, rbms.weights.mT).sigmoid_()
        h_neg = torch.baddbmm(rbms.hidden_biases, v_neg, rbms.weights).sigmoid_()
        difference = v0 - v_neg

        step, decay = learning_rate / v0.shape[1], learning_rate * self._recipe.weight_decay
        increments.weights.baddbmm_(v0.mT, h_pos, beta=momentum, alpha=step)
        increments.weights.baddbmm_(v_neg.mT, h_neg, alpha=-step)
        increments.weights.add_(rbms.weights, alpha=-decay)
        visible, hidden = increments.visible_biases, increments.hidden_biases
        visible.mul_(momentum).add_(difference.sum(1, keepdim=True), alpha=step)
        hidden.mul_(momentum).add_((h_pos - h_neg).sum(1, keepdim=True), alpha=step)
        rbms.weights.add_(increments.weights)
        rbms.visible_biases.add_(visible)
        rbms.hidden_biases.add_(hidden)
        return difference.square_().sum(dim=(1, 2))

    @torch.inference_mode()
    def epoch(self, data: Tensor, uniform: Tensor, epoch: int) -> Tensor:
        """Pass over the data [D, N, V] once, in fixed order; return mean squared errors, [D].

        The random numbers [D, N, H] of the whole epoch are drawn beforehand, one call per class.
        """
        recipe = self._recipe
        minibatches = torch.split(data, recipe.minibatch_size, dim=1)
        errors = data.new_zeros(len(data))
        drawn = torch.split(uniform, recipe.minibatch_size, dim=1)
        rates = epoch_rates(recipe, epoch, len(minibatches))
        for v0, u, (rate, momentum) in zip(minibatches, drawn, rates, strict=True):
            errors += self.update(v0, u, learning_rate=rate, momentum=momentum)
        return errors / data.shape[1]

    def measure(self, errors: Tensor, sample: Tensor, heldout: Tensor) -> list[EpochCurves]:
        """One point of each class's curves, from errors [D] and images [D, N, V]."""
        activity, good = self._activity_and_goodness(sample)
        columns = (
            errors,
            good.mean(1),
            self._activity_and_goodness(heldout)[1].mean(1),
            activity.mean((1, 2)),
            torch.linalg.vector_norm(self._rbms.weights, dim=(1, 2)),
        )
        points = torch.stack([column.double() for column in columns], dim=1)
        return [EpochCurves(*point) for point in points.tolist()]

    def states(self, epochs: int) -> list[TrainingState]:
        """Each class's state after the given number of epochs, copied to the host."""
        pairs = zip(_unstacked(self._rbms), _unstacked(self._increments), strict=True)
        return [TrainingState(rbm, increments, epochs) for rbm, increments in pairs]

    def _activity_and_goodness(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """p(h|v) [D, N, H] and goodness [D, N], summed in float64 as in `hpoe.method.rbm`."""
        x = torch.baddbmm(self._rbms.hidden_biases, v, self._rbms.weights)
        softplus = torch.logaddexp(x, x.new_zeros(())).sum(2, dtype=torch.float64)
        linear = v.double() @ self._rbms.visible_biases.double().mT
        return x.sigmoid_(), softplus + linear.squeeze(2)


def _stacked(rbms: Sequence[RBM], device: str) -> RBM:
    """Stack the RBMs of many classes."""
    parts = ((rbm.weights, rbm.visible_biases[None], rbm.hidden_biases[None]) for rbm in rbms)
    return RBM(*(torch.stack(each).to(device) for each in zip(*parts, strict=True)))


def _unstacked(rbms: RBM) -> list[RBM]:
    """Copy stacked RBMs to the host in three transfers, and separate them."""
    host = rbms.to("cpu")
    parts = (host.weights, host.visible_biases.squeeze(1), host.hidden_biases.squeeze(1))
    return [RBM(*each) for each in zip(*parts, strict=True)]
