"""Table 1's other methods, on few digits and on figures whose answer is known."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import euclidean_distances

from hpoe.data.mnist import Mnist
from hpoe.paper.baselines import (
    BASELINES,
    ConvolutionalNet,
    RadialBasis,
    Shrunk,
    lenet5,
    parameters,
)

SOME = 1500
PARAMETERS = {
    "linear": 7850,
    "nearest_neighbours": SOME * 784,
    "radial_basis": 100 * 784 + 1 + 1010,
    "back_propagation": 784 * 500 + 500 + 500 * 150 + 150 + 1510,
    "lenet1": 3246,
    "lenet5": 61_706,
}
"""LeNet-5 for 28 x 28 with a full connection of its second maps; LeNet-1 likewise.

A support vector machine has as many as there are support vectors.
"""
LIGHTER = {
    "radial_basis": {"radialbasis__units": 100},
    "lenet1": {"epochs": 3},
    "lenet5": {"epochs": 3},
}


def test_radial_bases_are_gaussians_around_centres() -> None:
    images = np.random.default_rng(0).random((200, 9), np.float32)
    basis = RadialBasis(7, 0.5, 0).fit(images)
    distances = euclidean_distances(images, basis.centres_)
    width = 0.5 * distances.min(axis=1).mean()
    expected = np.exp(-(distances**2) / (2 * width**2))
    np.testing.assert_allclose(basis.transform(images), expected, rtol=1e-3, atol=1e-5)


def test_shrunk_digits_keep_the_middle_and_the_size_of_the_image() -> None:
    image = torch.zeros(1, 1, 28, 28)
    image[..., 4:24, 4:24] = 1  # the box into which MNIST's digits are fitted
    shrunk = Shrunk()(image)
    assert shrunk.shape == image.shape
    ink = shrunk[0, 0] > 0.5
    rows = torch.nonzero(ink.any(dim=1)).flatten().tolist()
    assert (rows[0], rows[-1]) == (6, 21)
    torch.testing.assert_close(shrunk, shrunk.flip(-1))


def test_the_same_seed_trains_the_same_net(mnist: Mnist) -> None:
    images = mnist.train_images[:200].reshape(200, -1).astype(np.float32) / np.float32(255)
    labels = mnist.train_labels[:200].astype(np.int64)
    first, second = (ConvolutionalNet(lenet5, 1, 0.004, 3).fit(images, labels) for _ in "ab")
    for one, other in zip(first.net_.parameters(), second.net_.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("method", BASELINES)
def test_every_method_learns_digits_that_need_not_be_called_0_to_9(
    method: str, mnist: Mnist
) -> None:
    """1,500 images: most unseen ones are recognised; chance is one tenth."""
    images = mnist.train_images[: 2 * SOME].reshape(-1, 784).astype(np.float32) / np.float32(255)
    labels = 3 * mnist.train_labels[: 2 * SOME].astype(np.int64)
    estimator = BASELINES[method].make(1).set_params(**LIGHTER.get(method, {}))
    estimator.fit(images[:SOME], labels[:SOME])
    found = estimator.predict(images[SOME:])
    assert np.mean(found == labels[SOME:]) > 0.8
    if method in PARAMETERS:
        assert parameters(estimator) == PARAMETERS[method]
    else:
        vectors = len(estimator[-1].support_vectors_)
        assert parameters(estimator) == vectors * (784 + 9) + 45
