"""The matrix product that training and scoring consist of, by the faster library at its size.

PyTorch brings two along. What `addmm` calls on x86, Intel's MKL, is the faster on Intel's
processors, and leaves AVX-512 unused on other makers', which is half their speed. oneDNN uses what
the processor has, whoever made it; PyTorch's compiler and fused modules call it by the operation
below, plain functions do not.
"""

from functools import cache

import torch
from torch import Tensor

from hpoe.method.processor import processor

LARGE = 1_500_000
"""Multiplications from which oneDNN is worth the 5 us more that a call of it takes."""


@cache
def _prefers_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and processor().vendor != "GenuineIntel"


def affine(x: Tensor, weights: Tensor, biases: Tensor | None = None) -> Tensor:
    """x.weights + biases, [N, V] by [V, H] and [H] to a new [N, H].

    Both libraries are exact to float32's rounding. Of numbers that need a gradient, or of float64,
    products are `addmm`'s whatever their size.
    """
    if len(x) * weights.numel() >= LARGE and _prefers_onednn() and _plain(x) and _plain(weights):
        return onednn(x, weights, biases)
    return torch.mm(x, weights) if biases is None else torch.addmm(biases, x, weights)


def onednn(x: Tensor, weights: Tensor, biases: Tensor | None = None) -> Tensor:
    """The same by oneDNN whatever the size; float32 on a CPU."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(
        x, weights.t(), biases, "none", [], ""
    )
    return product


def _plain(matrix: Tensor) -> bool:
    return matrix.dtype == torch.float32 and not matrix.requires_grad and matrix.is_cpu
