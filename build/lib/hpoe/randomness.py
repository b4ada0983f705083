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

    Keyed by a SHA-256 of its arguments. SFC64 fills a float32 array about as fast as memory allows.
    """
    key = "/".join(map(str, (seed, network, layer, digit, purpose, epoch)))
    entropy = int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
    return np.random.Generator(np.random.SFC64(entropy))
