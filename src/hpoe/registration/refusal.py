"""Fitting the digit score: digits against outliers, its threshold on digits held out."""

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
    Floats,
    Scale,
    Seen,
    Usual,
    features,
    opinions,
)
from hpoe_recognition.edge_density import EdgeDensities, edge_orientations, squared_distances

KERNELS, SIZES = (16, 32), (5, 3)
"""Of the two convolutions: how many, and how many pixels wide."""
DROPPED = 0.2
"""Fraction of hidden units that every step of training leaves out."""
LEARNING_RATE = 0.003
"""The highest of a cycle that rises from and falls to nearly nothing."""
MINIBATCH = 200
DIRECTIONS = 20
"""Of an edge density, those of the largest variances; the others are given the least of these."""
LOWEST = 0.01
"""Fraction of digits that are far from usual: what opinions and distances are measured by."""


class Fitted(nn.Module):
    """The net of the digit score as PyTorch trains it; `DigitNet` is what is served."""

    def __init__(self, features: int, rows: int, columns: int, hidden_units: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(channels, kernels, size, STRIDE, size // 2)
            for channels, kernels, size in zip((3, KERNELS[0]), KERNELS, SIZES, strict=True)
        )
        for _ in KERNELS:
            rows, columns = -(-rows // STRIDE), -(-columns // STRIDE)
        self.hidden = nn.Linear(features + KERNELS[1] * rows * columns, hidden_units)
        self.dropped = nn.Dropout(DROPPED)
        self.output = nn.Linear(hidden_units, 1)

    def forward(self, features: Tensor, pictures: Tensor) -> Tensor:
        """The log odds of being a digit, [N, F] and [N, 3, R, C] to [N]."""
        seen = self.second(self.first(pictures).relu()).relu().flatten(1)
        hidden = self.hidden(torch.cat([features, seen], dim=1)).relu()
        score: Tensor = self.output(self.dropped(hidden))[:, 0]
        return score

    def arrays(self) -> DigitNet:
        """The same net in numpy."""

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
    digits: Seen,
    outliers: Seen,
    held_out: Seen,
    seed: int,
) -> DigitScore:
    """A net that tells digits from outliers, beside edges; it refuses `refused_digits` held out.

    The features are standardised by the digits alone: what is usual is usual for digits.
    """
    usual = usual_for(digits)
    given, pictures = (
        torch.from_numpy(np.concatenate([part(digits), part(outliers)]))
        for part in (usual.features, attrgetter("pictures"))
    )
    targets = torch.zeros(len(given))
    targets[: len(digits.goodness)] = 1
    with threadpool_limits(limits=1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _fitted(params, given, pictures, targets).arrays()
    said = opinions(usual, net, edges, held_out)
    scale = Scale(*np.quantile(said, (0.5, LOWEST), axis=0).astype(np.float32))
    threshold = np.quantile(scale(said).min(axis=1), params.refused_digits)
    return DigitScore(usual, net, edges, scale, np.asarray(threshold, np.float32))


def fit_edges(digits: Sequence[NDArray[np.uint8]]) -> EdgeDensities:
    """A Gaussian over the edges of each digit's images, [N, R, C] a digit."""
    fitted = [
        _gaussian(edge_orientations(images.astype(np.float32) / np.float32(255)))
        for images in digits
    ]
    return EdgeDensities(*(np.stack(part) for part in zip(*fitted, strict=True)))


def refused(score: DigitScore, seen: Seen) -> float:
    """The fraction of images said not to look like a digit."""
    return float(np.mean(score(seen) < score.threshold))


def usual_for(digits: Seen) -> Usual:
    """What is usual for digits."""
    classes = digits.log_probabilities.shape[1]
    recognised = [digits.goodness[digits.digits == digit] for digit in range(classes)]
    usual = np.stack([goodness.mean(axis=0) for goodness in recognised])
    spread = np.stack([goodness.std(axis=0) for goodness in recognised])
    raw = features(digits, usual, spread)
    scale = raw.std(axis=0)
    return Usual(usual, spread, raw.mean(axis=0), np.where(scale > 0, scale, 1))


def _gaussian(edges: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, whitening and reach of descriptions [N, E]."""
    mean = edges.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(edges.T))
    whitening = (directions / np.sqrt(np.maximum(variances, variances[-DIRECTIONS]))).astype(
        np.float32
    )
    reach = np.quantile(squared_distances(edges, mean, whitening), 1 - LOWEST)
    return mean, whitening, np.asarray(reach, np.float32)


def _fitted(params: Refusal, features: Tensor, pictures: Tensor, targets: Tensor) -> Fitted:
    """A net trained by AdamW on the cross-entropy."""
    rows, columns = pictures.shape[2:]
    net = Fitted(features.shape[1], rows, columns, params.hidden_units)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=params.weight_decay)
    steps = params.epochs * -(-len(targets) // MINIBATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(params.epochs):
        for some in torch.split(torch.randperm(len(targets)), MINIBATCH):
            optimizer.zero_grad()
            score = net(features[some], pictures[some])
            loss = nn.functional.binary_cross_entropy_with_logits(score, targets[some])
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return net
