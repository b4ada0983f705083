"""Fitting the known score: a net on known images against outliers, its threshold on held-out ones.

Shapes: N images, D classes, F features.
"""

from collections.abc import Sequence

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from hpoe.params import Refusal
from hpoe_recognition.edge_density import EdgeDensities
from hpoe_recognition.known_score import (
    Features,
    Floats,
    KnownNet,
    KnownScore,
    Scale,
    Usual,
    raw_scores,
)

LEARNING_RATE = 0.003
"""The maximum of a one-cycle schedule."""
MINIBATCH = 200
WITHHELD = 0.2
"""Weight of an image whose own class is withheld; with 1, fewer outliers of unseen kinds are
refused (benchmarks/unseen.py)."""
LOWEST = 0.01
"""Quantile of held-out images at which the scale of the scores is set."""
PRIOR = 20
"""Images that the variance common to all classes counts as, beside a class's own."""
LEAST_VARIANCE = 1e-6
"""Of a feature; they are logarithms, or nats."""


class TrainedKnownNet(nn.Module):
    """The known score's net in PyTorch, for training; `KnownNet` is the one that is served."""

    def __init__(self, features: int, hidden_units: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, hidden_units)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(hidden_units, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the log odds of being known, [N, F] to [N]."""
        score: Tensor = self.output(self.dropout(self.hidden(inputs).relu()))[:, 0]
        return score

    def arrays(self) -> KnownNet:
        """Return the same net in numpy."""

        def array(tensor: Tensor) -> Floats:
            return np.ascontiguousarray(tensor.detach().numpy())

        return KnownNet(
            hidden_weights=array(self.hidden.weight.t()),
            hidden_biases=array(self.hidden.bias),
            weights=array(self.output.weight[0]),
            bias=array(self.output.bias[0]),
        )


def fit_known_score(
    params: Refusal,
    edges: EdgeDensities,
    known: Sequence[Features],
    outliers: Features,
    withheld: Features | None,
    held_out: Features,
    seed: int,
    *,
    withheld_weight: float = WITHHELD,
) -> KnownScore:
    """Fit a net on known images against outliers, and a threshold that refuses `refused_known`.

    Features are standardised over the first of the known images' parts alone. Known images with
    their own class withheld are outliers of less weight.
    """
    usual = usual_for(known[0], len(edges.means))
    unknown = [outliers] if withheld is None else [outliers, withheld]
    parts = [usual(part) for part in (*known, *unknown)]
    targets, weights = torch.zeros(sum(map(len, parts))), torch.ones(sum(map(len, parts)))
    targets[: sum(len(part.positions) for part in known)] = 1
    if withheld is not None:
        weights[-len(withheld.positions) :] = withheld_weight
    with threadpool_limits(limits=1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = torch.from_numpy(np.concatenate(parts))
        net = _train(params, inputs, targets, weights).arrays()
    scores = raw_scores(usual, net, held_out)
    scale = Scale(*np.quantile(scores, (0.5, LOWEST), axis=0).astype(np.float32))
    threshold = np.quantile(scale(scores).min(axis=1), params.refused_known)
    return KnownScore(usual, net, edges, scale, np.asarray(threshold, np.float32))


def usual_for(known: Features, n_classes: int) -> Usual:
    """Estimate each class's usual features, shrunk towards all classes' where images are few.

    Means are weighted as random effects: n / (n + within-class over between-class variance).
    """
    values, positions = known.values, known.positions
    counts = np.bincount(positions, minlength=n_classes)[:, None]
    own = [values[positions == at] for at in range(n_classes)]
    common = values.mean(axis=0)
    means = np.stack([each.mean(axis=0) if len(each) else common for each in own])
    squares = np.stack(
        [((each - mean) ** 2).sum(axis=0) for each, mean in zip(own, means, strict=True)]
    )
    within = np.maximum(squares.sum(axis=0) / max(1, len(values) - n_classes), LEAST_VARIANCE)
    between = (counts * (means - common) ** 2).sum(axis=0) / len(values)
    weight = counts * between / (counts * between + within)
    variance = (squares + PRIOR * within) / (counts + PRIOR)
    return Usual(weight * means + (1 - weight) * common, np.sqrt(variance))


def _train(params: Refusal, inputs: Tensor, targets: Tensor, weights: Tensor) -> TrainedKnownNet:
    """Train a net by AdamW on the weighted cross-entropy."""
    net = TrainedKnownNet(inputs.shape[1], params.hidden_units)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=params.weight_decay)
    steps = params.epochs * -(-len(targets) // MINIBATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(params.epochs):
        for batch in torch.split(torch.randperm(len(targets)), MINIBATCH):
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(
                net(inputs[batch]), targets[batch], weights[batch]
            )
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return net.eval()
