"""How many threads PyTorch uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

LARGE = 20_000_000
"""Multiplications of a product from which a second thread pays off; for smaller products the
threads wait for each other most of the time."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Limit the threads of PyTorch's operations within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(count, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def useful_threads(multiplications: int) -> int:
    """The number of threads for products of this size."""
    return torch.get_num_threads() if multiplications >= LARGE else 1
