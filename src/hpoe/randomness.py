"""Every random number's origin: a generator keyed by what it is for, never by what ran before.

A generator made from (seed, network, layer, digit, purpose, epoch) leaves a checkpoint no state to
save, and makes results independent of the order and the number of workers.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray


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


def fill_uniform(rng: np.random.Generator, out: NDArray[np.float32]) -> None:
    """Fill an array with uniform numbers of [0, 1), multiples of 2^-24 as NumPy's own float32.

    Of the 24 bits of a number 16 are its own and the last 8 common to the array, so that 64 random
    bits are four numbers: in 0.4 of NumPy's time. Each is uniform; of two, the probability to be
    below any two thresholds is the product of theirs to 2^-34, and given the common bits exactly.

    Args:
        rng: a generator whose raw numbers have 64 bits, as SFC64 and PCG64.
        out: contiguous.
    """
    raw = rng.bit_generator.random_raw(1 + -(-out.size // 4))
    own = raw[1:].view(np.int16)[: out.size].reshape(out.shape)
    np.copyto(out, own)
    np.multiply(out, np.float32(2**-16), out=out)
    np.add(out, np.float32(0.5 + int(raw[0] & 0xFF) * 2**-24), out=out)
