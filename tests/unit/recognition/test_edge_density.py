"""Edge densities: the descriptor beside a plain loop, the distances beside scipy's."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis

from hpoe.registration.edges import DIRECTIONS, fit_edges
from hpoe_recognition.edge_density import CELLS, ORIENTATIONS, edge_orientations
from tests.unit.recognition.systems import LABELS, edges, images


def unit(made: NDArray[np.uint8]) -> NDArray[np.float32]:
    return made.astype(np.float32) / np.float32(255)


def described_slowly(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same descriptor, pixel by pixel, orientation by orientation, cell by cell."""
    rows, columns = image.shape
    padded = np.pad(image, 1).astype(np.float64)
    votes = np.zeros((ORIENTATIONS, CELLS, CELLS))
    for row in range(rows):
        for column in range(columns):
            across = padded[row + 1, column + 2] - padded[row + 1, column]
            down = padded[row + 2, column + 1] - padded[row, column + 1]
            angle = (np.arctan2(down, across) % np.pi) * ORIENTATIONS / np.pi
            for orientation in range(ORIENTATIONS):
                apart = abs(angle - orientation)
                share = max(0.0, 1 - min(apart, ORIENTATIONS - apart))
                for i in range(CELLS):
                    for j in range(CELLS):
                        near_row = 1 - abs((row + 0.5) * CELLS / rows - i - 0.5)
                        near_column = 1 - abs((column + 0.5) * CELLS / columns - j - 0.5)
                        near = max(0.0, near_row) * max(0.0, near_column)
                        votes[orientation, i, j] += np.hypot(across, down) * share * near
    whole = votes.sum()
    return np.sqrt(votes / whole if whole else votes).reshape(-1)


@pytest.mark.slow
def test_edges_are_described_as_by_a_plain_loop() -> None:
    for shape in ((28, 28), (16, 16), (20, 12)):
        made = np.random.default_rng(0).random((2, *shape), np.float32)
        expected = [described_slowly(image) for image in made]
        np.testing.assert_allclose(edge_orientations(made), expected, atol=1e-5)


def test_an_image_without_edges_is_described_by_zeros_and_unusual() -> None:
    blank = np.zeros((1, 28, 28), np.float32)
    assert not edge_orientations(blank).any()
    assert edges().best(blank)[0] < edges().best(unit(images(20, 9))).min()


def test_distances_are_mahalanobis_distances_of_the_floored_covariance() -> None:
    """Of a single class, the covariance common to all classes is its own."""
    of, made = images(300, 1), unit(images(4, 2))
    found = fit_edges([of])
    described = edge_orientations(unit(of)).astype(np.float64)
    variances, directions = np.linalg.eigh(np.cov(described.T, bias=True))
    floored = np.maximum(variances, np.sort(variances)[-DIRECTIONS])
    inverse = directions @ np.diag(1 / floored) @ directions.T
    squared = [
        mahalanobis(each, described.mean(axis=0), inverse) ** 2 for each in edge_orientations(made)
    ]
    expected = np.log(found.reach[0] / squared)
    np.testing.assert_allclose(found(made, np.zeros(4, np.int64)), expected, atol=1e-3)


def test_each_image_is_judged_by_the_class_that_is_asked_for() -> None:
    made, positions = unit(images(30, 4)), np.arange(30) % len(LABELS)
    every = [edges()(made, np.full(30, at)) for at in range(len(LABELS))]
    expected = np.stack(every)[positions, np.arange(30)]
    np.testing.assert_allclose(edges()(made, positions), expected, atol=1e-5)
    np.testing.assert_allclose(edges().best(made), np.max(every, axis=0), atol=1e-5)


def test_a_class_of_one_image_has_the_spread_of_the_others() -> None:
    """An image like it is twice as far from it as from the mean, and within its reach."""
    made = images(400, 1)
    found = fit_edges([made[:300], made[300:301]])
    assert found.reach[1] == pytest.approx(2 * found.reach[0], rel=0.3)
    like_it = unit(images(200, 5))
    assert np.mean(found(like_it, np.ones(200, np.int64)) > 0) > 0.8
