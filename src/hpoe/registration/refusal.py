"""Fitting the digit score: a net on digits against outliers, its threshold on held-out digits."""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from hpoe.params import Refusal
from hpoe_recognition.digit_score import (
    STRIDE,
    DigitNet,
    DigitScore,
    Evidence,
    Floats,
    Scale,
    Usual,
    features,
    raw_scores,
)
from hpoe_recognition.edge_density import EdgeDensities, edge_orientations, squared_distances

KERNELS, SIZES = (16, 32), (5, 3)
"""Numbers and widths of the kernels of the two convolutions."""
DROPOUT = 0.2
LEARNING_RATE = 0.003
"""The maximum of a one-cycle schedule."""
MINIBATCH = 200
DIRECTIONS = 20
"""Principal directions kept in an edge density; the others get the smallest variance of these."""
LOWEST = 0.01
"""Quantile of digits at which the scale of the scores and the reach of edges are set."""


class TrainedDigitNet(nn.Module):
    """The digit score's net in PyTorch, for training; `DigitNet` is the one that is served."""

    def __init__(self, features: int, rows: int, columns: int, hidden_units: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, kernels, size, STRIDE, size // 2)
            for channels, kernels, size in zip((3, KERNELS[0]), KERNELS, SIZES, strict=True)
        )
        for _ in KERNELS:
            rows, columns = -(-rows // STRIDE), -(-columns // STRIDE)
        self.hidden = nn.Linear(features + KERNELS[1] * rows * columns, hidden_units)
        self.dropout = nn.Dropout(DROPOUT)
        self.output = nn.Linear(hidden_units, 1)

    def forward(self, features: Tensor, pictures: Tensor) -> Tensor:
        """Return the log odds of being a digit, [N, F] and [N, 3, R, C] to [N]."""
        convolved = self.second(self.first(pictures).relu()).relu().flatten(1)
        hidden = self.hidden(torch.cat([features, convolved], dim=1)).relu()
        score: Tensor = self.output(self.dropout(hidden))[:, 0]
        return score

    def arrays(self) -> DigitNet:
        """Return the same net in numpy."""

        def array(tensor: Tensor) -> Floats:
            return np.ascontiguousarray(tensor.detach().numpy())

        return DigitNet(
            first_kernels=array(self.first.weight),
            first_biases=array(self.first.bias),  # type: ignore[arg-type]
            second_kernels=array(self.second.weight),
            second_biases=array(self.second.bias),  # type: ignore[arg-type]
            hidden_weights=array(self.hidden.weight.t()),
            hidden_biases=array(self.hidden.bias),
            weights=array(self.output.weight[0]),
            bias=array(self.output.bias[0]),
        )


def fit_digit_score(
    params: Refusal,
    edges: EdgeDensities,
    digits: Evidence,
    outliers: Evidence,
    held_out: Evidence,
    seed: int,
) -> DigitScore:
    """Fit a net on digits against outliers, and a threshold that refuses `refused_digits`.

    Features are standardised over the digits alone.
    """
    usual = usual_for(digits)
    features, pictures = (
        torch.from_numpy(np.concatenate([part(digits), part(outliers)]))
        for part in (usual.features, attrgetter("pictures"))
    )
    targets = torch.zeros(len(features))
    targets[: len(digits.goodness)] = 1
    with threadpool_limits(limits=1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _train(params, features, pictures, targets).arrays()
    scores = raw_scores(usual, net, edges, held_out)
    scale = Scale(*np.quantile(scores, (0.5, LOWEST), axis=0).astype(np.float32))
    threshold = np.quantile(scale(scores).min(axis=1), params.refused_digits)
    return DigitScore(usual, net, edges, scale, np.asarray(threshold, np.float32))


def fit_edges(classes: Sequence[NDArray[np.uint8]]) -> EdgeDensities:
    """Fit a Gaussian to the edges of each class's images [N, R, C]."""
    fitted = [
        _gaussian(edge_orientations(images.astype(np.float32) / np.float32(255)))
        for images in classes
    ]
    return EdgeDensities(*(np.stack(part) for part in zip(*fitted, strict=True)))


def usual_for(digits: Evidence) -> Usual:
    """Compute the statistics of digits; for a class that is never recognised, over all images."""
    goodness, n_classes = digits.goodness, digits.log_probabilities.shape[1]
    recognised = [
        goodness[is_class] if is_class.sum() > 1 else goodness
        for is_class in digits.positions == np.arange(n_classes)[:, None]
    ]
    usual = np.stack([goodness.mean(axis=0) for goodness in recognised])
    spread = np.stack([goodness.std(axis=0) for goodness in recognised])
    raw = features(digits, usual, spread)
    scale = raw.std(axis=0)
    return Usual(usual, spread, raw.mean(axis=0), np.where(scale > 0, scale, 1))


def _gaussian(edges: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, whitening and reach of descriptors [N, E]."""
    mean = edges.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(edges.T))
    whitening = (directions / np.sqrt(np.maximum(variances, variances[-DIRECTIONS]))).astype(
        np.float32
    )
    reach = np.quantile(squared_distances(edges, mean, whitening), 1 - LOWEST)
    return mean, whitening, np.asarray(reach, np.float32)


def _train(params: Refusal, features: Tensor, pictures: Tensor, targets: Tensor) -> TrainedDigitNet:
    """Train a net by AdamW on the cross-entropy."""
    rows, columns = pictures.shape[2:]
    net = TrainedDigitNet(features.shape[1], rows, columns, params.hidden_units)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=params.weight_decay)
    steps = params.epochs * -(-len(targets) // MINIBATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(params.epochs):
        for batch in torch.split(torch.randperm(len(targets)), MINIBATCH):
            optimizer.zero_grad()
            score = net(features[batch], pictures[batch])
            loss = nn.functional.binary_cross_entropy_with_logits(score, targets[batch])
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return net
