"""The Gibbs chain against a small model's exact distribution."""

import itertools

import numpy as np
import torch

from hpoe.method.fantasies import gibbs_chain
from hpoe.method.rbm import RBM, goodness


def small() -> RBM:
    rng = np.random.default_rng(3)

    def tensor(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    return RBM(tensor(4, 3), tensor(4), tensor(3))


def test_long_chains_have_the_models_own_means() -> None:
    """20,000 independent chains; five standard errors: a false alarm in 400,000 runs."""
    rbm, chains = small(), 20_000
    states = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)))
    weights = torch.softmax(goodness(rbm, states).double(), dim=0)
    exact = (weights[:, None] * states).sum(dim=0).numpy()
    start = torch.zeros(chains, 4)
    (p,) = gibbs_chain(rbm, start, [60], np.random.default_rng(0))
    error = p.numpy().std(axis=0) / np.sqrt(chains)
    assert (np.abs(p.numpy().mean(axis=0) - exact) < 5 * error).all()


def test_states_asked_for_change_nothing_about_the_chain() -> None:
    start = torch.rand(5, 4)
    every = gibbs_chain(small(), start, [0, 1, 2, 3], np.random.default_rng(7))
    (last,) = gibbs_chain(small(), start, [3], np.random.default_rng(7))
    torch.testing.assert_close(every[0], start)
    assert not torch.equal(every[1], every[2])
    torch.testing.assert_close(every[-1], last)
