"""Model-based normalisation by the gradient of the goodness (section 7's last suggestion).

The gradient with regard to the image, projected onto the tangent space of affine transformations,
gives the small warp that a model prefers. Shapes: N images of R rows and C columns, V = R C.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hpoe.method.hierarchy import activities
from hpoe.method.rbm import RBM, goodness

LENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Pixels by which the images are warped along the gradient."""
RADIUS = 10.0
"""Pixels from the middle of a digit to its edge, where the size of a warp is measured."""


def warped_goodness(hierarchy: Sequence[RBM], images: Tensor) -> Tensor:
    """Goodness in nats [lengths, N, layers] of images [N, R, C] warped as each model prefers.

    Float64. Each layer's model has its own direction, in which the images are warped by `LENGTHS`.
    """
    layers = []
    for depth in range(1, len(hierarchy) + 1):
        direction = torch.nn.functional.normalize(preference(hierarchy[:depth], images), dim=1)
        versions = [warp(images, length * direction) for length in LENGTHS]
        layers.append(torch.stack([_goodness(hierarchy[:depth], v) for v in versions]))
    return torch.stack(layers, dim=2)


def preference(hierarchy: Sequence[RBM], images: Tensor) -> Tensor:
    """Growth of the topmost RBM's goodness with each kind of warp, nats per pixel [N, 6].

    Its gradient with regard to the pixels of images [N, R, C], times the tangents of the warps.
    """
    v = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_goodness(hierarchy, v).sum(), v)
    down, right = torch.gradient(images, dim=(1, 2))
    slopes = gradient[:, None] * torch.stack([right, down], dim=1)
    return -torch.einsum("ndrc,kdrc->nk", slopes, _fields(images))


def warp(images: Tensor, sizes: Tensor) -> Tensor:
    """Warp images [N, R, C] by `sizes` [N, 6], in pixels at the digit's edge; bilinear.

    Each pixel is sampled at the position that the warps displace it from, to first order; positions
    outside the image are background.
    """
    rows, columns = images.shape[1:]
    grid = affine_grid(
        torch.eye(2, 3, dtype=images.dtype).expand(len(images), -1, -1),
        [len(images), 1, rows, columns],
        align_corners=True,
    )
    moves = torch.einsum("nk,kdrc->nrcd", sizes, _fields(images))
    spans = images.new_tensor([columns - 1, rows - 1]) / 2
    source = grid - moves / spans
    return grid_sample(images[:, None], source, align_corners=True)[:, 0]


def penalties(width: float) -> Tensor:
    """Log prior in nats of a warp of each of `LENGTHS`: a Gaussian `width` pixels wide."""
    return -(torch.tensor(LENGTHS, dtype=torch.float64) ** 2) / (2 * width**2)


def _goodness(hierarchy: Sequence[RBM], images: Tensor) -> Tensor:
    return goodness(hierarchy[-1], activities(hierarchy[:-1], images.flatten(1)))


def _fields(images: Tensor) -> Tensor:
    """Displacement of each pixel to the right and down by each kind of warp, [6, 2, R, C].

    The affine warps: shift right, shift down, widen, heighten, shear rows, shear columns.
    """
    rows, columns = images.shape[1:]
    down = (torch.arange(rows, dtype=images.dtype) - (rows - 1) / 2) / RADIUS
    right = (torch.arange(columns, dtype=images.dtype) - (columns - 1) / 2) / RADIUS
    y, x = torch.meshgrid(down, right, indexing="ij")
    none, one = torch.zeros_like(x), torch.ones_like(x)
    kinds = [(one, none), (none, one), (x, none), (none, y), (y, none), (none, x)]
    return torch.stack([torch.stack(kind) for kind in kinds])
