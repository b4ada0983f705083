"""Random numbers: each generator is keyed by its purpose, never by what ran before.

A generator made from (seed, network, layer, label, purpose, epoch) has no state that a checkpoint
would have to save, and makes results independent of the order and the number of workers.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def generator(
    seed: int, network: str, layer: int, label: int | str, purpose: str, epoch: int = 0
) -> np.random.Generator:
    """Return the generator for a purpose ("weights", "hidden states") in one epoch of one RBM.

    The label is that of the RBM's class: the digit, in the pipeline.
    SFC64 fills a float32 array about as fast as memory allows.
    """
    key = entropy(seed, network, layer, label, purpose, epoch)
    return np.random.Generator(np.random.SFC64(key))


def entropy(
    seed: int, network: str, layer: int, label: int | str, purpose: str, epoch: int = 0
) -> int:
    """Return the 256 bits that seed a generator: the SHA-256 of its arguments."""
    key = "/".join(map(str, (seed, network, layer, label, purpose, epoch)))
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")


def uniform_minibatches(
    rng: np.random.Generator, count: int, shape: tuple[int, int]
) -> Iterator[Tensor]:
    """Yield uniform numbers in [0, 1), multiples of 2^-24 like NumPy's float32, per minibatch.

    To draw in 0.4 of NumPy's time, 64 random bits make four numbers: of the 24 bits of each, 16 are
    its own and the last 8 are shared by the minibatch. Each number is uniform. The probability that
    two lie below any two thresholds is the product of the two to within 2^-34, and exactly so given
    the shared bits. All bits are drawn at once: drawing them between updates takes three times as
    long.

    Args:
        rng: a generator with raw numbers of 64 bits, such as SFC64 or PCG64.
        count: number of minibatches.
        shape: [B, H].

    Yields:
        float32 [B, H], in the same memory every time.
    """
    size = shape[0] * shape[1]
    raw = rng.bit_generator.random_raw(count * (1 + -(-size // 4))).reshape(count, -1)
    own = raw[:, 1:].view(np.int16)[:, :size].reshape(count, *shape)
    common = (0.5 + (raw[:, 0] & 0xFF) * 2**-24).astype(np.float32)
    uniform = torch.empty(shape)
    for high, low in zip(torch.from_numpy(own), torch.from_numpy(common), strict=True):
        uniform.copy_(high)
        yield torch.add(low, uniform, alpha=2**-16, out=uniform)
