"""Every random number's origin: a generator keyed by what it is for, never by what ran before.

A generator made from (seed, network, layer, digit, purpose, epoch) leaves a checkpoint no state to
save, and makes results independent of the order and the number of workers.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def generator(
    seed: int, network: str, layer: int, digit: int, purpose: str, epoch: int = 0
) -> np.random.Generator:
    """The generator for one purpose ("weights", "hidden states") in one epoch of one RBM.

    SFC64 fills a float32 array about as fast as memory allows.
    """
    key = entropy(seed, network, layer, digit, purpose, epoch)
    return np.random.Generator(np.random.SFC64(key))


def entropy(seed: int, network: str, layer: int, digit: int, purpose: str, epoch: int = 0) -> int:
    """The 256 bits that seed a generator: a SHA-256 of what it is for."""
    key = "/".join(map(str, (seed, network, layer, digit, purpose, epoch)))
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")


def uniform_minibatches(
    rng: np.random.Generator, count: int, shape: tuple[int, int]
) -> Iterator[Tensor]:
    """Uniform numbers of [0, 1), multiples of 2^-24 as NumPy's own float32, a minibatch at a time.

    Of the 24 bits of a number 16 are its own and the last 8 common to the minibatch, so that 64
    random bits are four numbers: in 0.4 of NumPy's time. Each is uniform; of two, the probability
    to be below any two thresholds is the product of theirs to 2^-34, and given the common bits
    exactly. All bits are drawn at once: a few at a time, between updates, take three times as long.

    Args:
        rng: a generator whose raw numbers have 64 bits, as SFC64 and PCG64.
        count: of minibatches.
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
