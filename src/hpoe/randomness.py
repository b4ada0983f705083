"""Every random number's origin: a generator keyed by what it is for, never by what ran before.

A generator made from (seed, network, layer, digit, purpose, epoch) leaves a checkpoint no state to
save, and makes results independent of the order and the number of workers.
"""

import hashlib

import numpy as np


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
