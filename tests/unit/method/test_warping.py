"""Warps along the gradient of the goodness, against finite differences and plain geometry."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import Tensor

from hpoe.method.hierarchy import layer_goodness
from hpoe.method.rbm import RBM
from hpoe.method.warping import LENGTHS, RADIUS, penalties, preference, warp, warped_goodness

SIDE, STEP = 16, 0.001


@pytest.fixture
def hierarchy() -> list[RBM]:
    """Random RBMs whose weights change slowly from pixel to pixel, as trained ones' do."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    waves = [
        np.cos(rng.uniform(-0.5, 0.5) * rows + rng.uniform(-0.5, 0.5) * columns + phase)
        for phase in rng.uniform(0, 6, 7)
    ]
    sizes, rbms = (SIDE * SIDE, 7, 5, 4), []
    for below, above in pairwise(sizes):
        weights = rng.standard_normal((below, above))
        if below == SIDE * SIDE:
            weights = 0.3 * np.stack(waves).reshape(7, -1).T
        parts = (weights, 0.1 * rng.standard_normal(below), rng.standard_normal(above))
        rbms.append(RBM(*(torch.tensor(part, dtype=torch.float64) for part in parts)))
    return rbms


@pytest.fixture
def images() -> Tensor:
    """Smooth blobs [3, 16, 16] in the middle."""
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    blobs = [
        np.exp(-(((x - rng.uniform(-1, 1) - rng.uniform(-0.5, 0.5) * y) / 2) ** 2) - (y / 2) ** 2)
        for _ in range(3)
    ]
    return torch.tensor(np.stack(blobs), dtype=torch.float64)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_preference_is_how_fast_the_goodness_grows_with_each_warp(
    hierarchy: list[RBM], images: Tensor, depth: int
) -> None:
    """Central differences in float64; bilinear warps blur, the more the longer the step."""
    found = preference(hierarchy[:depth], images)
    for kind in range(6):
        size = torch.zeros(len(images), 6)
        size[:, kind] = STEP
        forth, back = (
            layer_goodness(hierarchy, warp(images, way * size.double()).flatten(1))[:, depth - 1]
            for way in (1, -1)
        )
        slope = (forth - back) / (2 * STEP)
        torch.testing.assert_close(slope, found[:, kind], rtol=0.01, atol=1e-3)


def test_warps_move_ink_to_where_they_say(images: Tensor) -> None:
    """Right and down by whole pixels; the others by so much at the digit's edge."""
    right, down = (
        torch.eye(6, dtype=torch.float64)[kind].expand(len(images), -1) for kind in (0, 1)
    )
    torch.testing.assert_close(warp(images, 2 * right)[:, :, 2:], images[:, :, :-2])
    torch.testing.assert_close(warp(images, -down)[:, :-1], images[:, 1:])
    edge = int(2 * RADIUS)
    image = torch.rand(1, edge + 1, edge + 1)
    framed = torch.nn.functional.pad(image, [1, 1, 1, 1])[0]
    moves = {2: (False, True), 3: (True, False), 4: (False, True), 5: (True, False)}
    for kind, (vertical, horizontal) in moves.items():
        warped = warp(image, torch.eye(6)[kind][None])[0]
        for row, column in product((0, edge), repeat=2):
            by_row = kind in (3, 4)
            way = 1 if (row if by_row else column) == edge else -1
            source = framed[1 + row - way * vertical, 1 + column - way * horizontal]
            assert float(warped[row, column]) == pytest.approx(float(source), abs=1e-4)


def test_images_that_are_not_warped_keep_their_goodness_and_all_gain_by_a_small_warp(
    hierarchy: list[RBM], images: Tensor
) -> None:
    found = warped_goodness(hierarchy, images)
    assert found.shape == (len(LENGTHS), 3, 3)
    torch.testing.assert_close(found[0], layer_goodness(hierarchy, images.flatten(1)))
    assert (found[1] > found[0]).all()


def test_the_prior_is_a_gaussian_of_the_warps_length() -> None:
    expected = [-0.5 * (length / 4.0) ** 2 for length in LENGTHS]
    np.testing.assert_allclose(penalties(4.0).numpy(), expected)
