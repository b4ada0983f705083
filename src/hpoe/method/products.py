"""Matrix products by whichever library is faster for their size: MKL or oneDNN.

PyTorch ships both. `addmm` calls MKL on x86, which is faster on Intel processors but does not use
AVX-512 on others, at the cost of half their speed. oneDNN does. PyTorch's compiler calls it through
the operation below; its ordinary functions do not.
"""

from functools import cache

import torch
from torch import Tensor

from hpoe.method.processor import processor

LARGE = 1_500_000
"""Number of multiplications above which oneDNN pays off: one call costs 5 us more."""


@cache
def _prefers_onednn() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and processor().vendor != "GenuineIntel"


def affine(x: Tensor, weights: Tensor, biases: Tensor | None = None) -> Tensor:
    """x.weights + biases, [N, V] by [V, H] and [H] to a new [N, H].

    Both libraries are accurate to float32 rounding. Inputs that need a gradient or are float64
    always use `addmm`.
    """
    if len(x) * weights.numel() >= LARGE and _prefers_onednn() and _plain(x) and _plain(weights):
        return onednn(x, weights, biases)
    return torch.mm(x, weights) if biases is None else torch.addmm(biases, x, weights)


def onednn(x: Tensor, weights: Tensor, biases: Tensor | None = None) -> Tensor:
    """Compute `affine` with oneDNN regardless of size; float32 on a CPU only."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(
        x, weights.t(), biases, "none", [], ""
    )
    return product


def _plain(matrix: Tensor) -> bool:
    return matrix.dtype == torch.float32 and not matrix.requires_grad and matrix.is_cpu
