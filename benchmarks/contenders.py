"""Ways to train one RBM on a digit's images, each as its library's authors intend.

All get the same images, hidden units, minibatches and epochs, and return an RBM of this project.
Learning rates differ, because they mean different things in each library.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hpoe.method.fitting import train_epochs
from hpoe.method.rbm import RBM, ContrastiveDivergence, initial_state, measure
from hpoe.method.recipe import Recipe
from hpoe.training.layer import CURVE_SAMPLE

if TYPE_CHECKING:
    from sklearn.neural_network import BernoulliRBM

HPOE = "hpoe"
RBMS_LEARNING_RATE = 2.0
"""For gradients that the library scales to length 1: of the rates from 0.01 (its default) to 2, the
one with the smallest reconstruction error on held-out images."""


@dataclass(frozen=True)
class Work:
    """The task of every contender."""

    recipe: Recipe
    """The paper's recipe with the hidden units, minibatches and epochs of this measurement."""
    seed: int

    @property
    def units(self) -> int:
        """Hidden units."""
        return self.recipe.units[0]


def train_hpoe(images: torch.Tensor, work: Work) -> RBM:
    """Train as a stage of the pipeline does, with its learning curves (CD-1)."""
    rng = np.random.Generator(np.random.SFC64(work.seed))
    state = initial_state(work.recipe, 1, images.shape[1], rng)
    divergence = ContrastiveDivergence(state, work.recipe)
    sample = images[:CURVE_SAMPLE]
    for error in train_epochs(divergence, state, work.recipe, images, lambda *_: rng):
        measure(state.rbm, error, sample, sample)
    return state.rbm


def from_scikit_learn(model: "BernoulliRBM") -> RBM:
    """Convert a fitted model of scikit-learn to an RBM of this project."""
    arrays = model.components_.T, model.intercept_visible_, model.intercept_hidden_
    return RBM(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def train_scikit_learn(images: torch.Tensor, work: Work) -> RBM:
    """Train scikit-learn's `BernoulliRBM`: persistent chains instead of CD-1; float32."""
    from sklearn.neural_network import BernoulliRBM

    model = BernoulliRBM(
        n_components=work.units,
        learning_rate=work.recipe.learning_rate,
        batch_size=work.recipe.minibatch_size,
        n_iter=work.recipe.epochs,
        random_state=work.seed,
    ).fit(images.numpy())
    return from_scikit_learn(model)


def train_rbms(images: torch.Tensor, work: Work) -> RBM:
    """Train by the update of `rbms` in its CD mode, without the library's own loop.

    That loop writes to a file at every update, and makes a pass over the minibatch whose result it
    does not use.
    """
    from rbms.bernoulli_bernoulli.classes import BBRBM
    from rbms.dataset.dataset_class import RBMDataset
    from rbms.training.pcd import fit_batch_pcd

    torch.manual_seed(work.seed)
    ones = np.ones(len(images), np.float32)
    labels = np.zeros(len(images), np.int32)
    dataset = RBMDataset(
        images.numpy(), labels, ones, labels, "MNIST", is_binary=True, device="cpu"
    )
    model = BBRBM.init_parameters(work.units, dataset, torch.device("cpu"), torch.float32)
    model.init_grad()
    optimizer = torch.optim.SGD(model.parameters(), lr=RBMS_LEARNING_RATE, maximize=True)
    with torch.no_grad():
        for _ in range(work.recipe.epochs):
            for batch in torch.split(torch.randperm(len(images)), work.recipe.minibatch_size):
                v, weights = dataset.data[batch], dataset.weights[batch]
                chains = {"visible": v, "weights": weights}
                fit_batch_pcd((v, weights), chains, model, gibbs_steps=1, beta=1.0)
                optimizer.step()
    return RBM(model.weight_matrix, model.vbias, model.hbias)


def train_learnergy(images: torch.Tensor, work: Work) -> RBM:
    """Train by learnergy's `RBM.fit`: CD-1 with binary reconstructions."""
    from learnergy.core import Dataset
    from learnergy.models.bernoulli import RBM as Model  # noqa: N811

    torch.manual_seed(work.seed)
    recipe = work.recipe
    model = Model(
        n_visible=images.shape[1],
        n_hidden=work.units,
        learning_rate=recipe.learning_rate,
        momentum=recipe.momentum,
        decay=recipe.weight_decay,
    )
    dataset = Dataset(images, torch.zeros(len(images)), show_log=False)
    model.fit(dataset, batch_size=recipe.minibatch_size, epochs=recipe.epochs)
    return RBM(*(part.detach() for part in (model.W, model.a, model.b)))


CONTENDERS: dict[str, Callable[[torch.Tensor, Work], RBM]] = {
    HPOE: train_hpoe,
    "scikit-learn": train_scikit_learn,
    "rbms": train_rbms,
    "learnergy": train_learnergy,
}
PEERS = tuple(name for name in CONTENDERS if name != HPOE)
