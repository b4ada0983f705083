"""Which of the four sets each image is in.

Images with the same pixels are always in one set, also if they have different labels; so are the
images of one group. A blank image is like all others that are blank and counts as none of them.

Shapes: N images, C classes, 4 sets (unsupervised, fit, validation, test).
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SETS = ("unsupervised", "fit", "validation", "test")
TEST = SETS.index("test")
UNUSED = -1
Sets = NDArray[np.int8]
"""[N]: positions in SETS, or UNUSED."""
Numbers = NDArray[np.int64]


def originals(images: NDArray[np.uint8]) -> Numbers:
    """Return the position [N] of the first image with the same pixels; a blank image's own."""
    first: dict[bytes, int] = {}
    found = np.arange(len(images))
    for place, image in enumerate(images):
        if image.min() < image.max():
            digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
            found[place] = first.setdefault(digest, place)
    return found


def image_keys(images: NDArray[np.uint8], labels: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """Return keys [N] that order each class's images at random.

    A key depends on seed, label and the image's own bytes alone, so that the images of other
    classes, and where images are in the source, change nothing.
    """
    keys = np.empty(len(images), np.uint64)
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        keys[place] = _key(seed, label.encode(), image.tobytes())
    return keys


def group_keys(groups: Sequence[str], seed: int) -> NDArray[np.uint64]:
    """Return the same for groups, which depend on seed and name."""
    return np.array([_key(seed, b"", group.encode()) for group in groups], np.uint64)


def _key(seed: int, *parts: bytes) -> int:
    digest = hashlib.blake2b(str(seed).encode(), digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(digest.digest(), "big")


def by_class(classes: Numbers, same: Numbers, keys: NDArray[np.generic], wanted: Numbers) -> Sets:
    """Cut each class's images, in the order of their keys, into sets of the wanted sizes [C, 4].

    The test images come from the end, and what no set needs remains before them. Where images with
    the same pixels are of several classes, the first class decides for the others.
    """
    sets = np.full(len(classes), UNUSED, np.int8)
    decided: dict[int, int] = {}
    for label in range(len(wanted)):
        own = np.flatnonzero(classes == label)
        units: dict[int, list[int]] = {}
        for place in own[np.lexsort((own, keys[own]))].tolist():
            units.setdefault(int(same[place]), []).append(place)
        left = wanted[label].copy()
        for original in units.keys() & decided.keys():
            sets[units[original]] = decided[original]
            left[decided[original]] -= len(units.pop(original))
        for original, which in _in_turn(units, left.clip(min=0)).items():
            sets[units[original]] = which
            if which != UNUSED:
                decided[original] = which
    return sets


def _in_turn(units: dict[int, list[int]], wanted: Numbers) -> dict[int, int]:
    """Fill one set after the other with units, in their order; return each unit's set."""
    spare = max(0, sum(map(len, units.values())) - int(wanted.sum()))
    ends = np.cumsum([*wanted[:TEST], spare, wanted[TEST]])
    order = (*range(TEST), UNUSED, TEST, UNUSED)
    found, before = {}, 0
    for original, places in units.items():
        found[original] = order[int(np.searchsorted(ends, before, side="right"))]
        before += len(places)
    return found


def by_group(
    classes: Numbers,
    same: Numbers,
    groups: Numbers,
    keys: NDArray[np.generic],
    wanted: Numbers,
) -> Sets:
    """Put whole groups into sets, across all classes, in the order of the groups' keys.

    Each goes where most of its images are needed: where the smallest part of what is wanted, [C, 4]
    images, is there yet. Groups that share an image stay together.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_groups, n_images = len(keys), int(same.max()) + 1
    links = coo_array(
        (np.ones(len(same)), (groups, n_groups + same)), shape=(n_groups + n_images,) * 2
    )
    bundles = connected_components(links, directed=False)[1][:n_groups]
    counts = np.zeros((bundles.max() + 1, len(wanted)))
    np.add.at(counts, (bundles[groups], classes), 1)
    possible = wanted.any(axis=0)
    filled, chosen = np.zeros(wanted.shape), np.zeros(len(counts), np.int8)
    for bundle in dict.fromkeys(bundles[np.argsort(keys, kind="stable")].tolist()):
        need = 1 - filled / np.maximum(wanted, 1)
        chosen[bundle] = np.argmax(np.where(possible, counts[bundle] @ need, -np.inf))
        filled[:, chosen[bundle]] += counts[bundle]
    sets: Sets = chosen[bundles[groups]]
    return sets


def trimmed(sets: Sets, classes: Numbers, keys: NDArray[np.generic], most: Numbers) -> Sets:
    """Return the sets with at most so many images, [C, 4], the first ones."""
    kept = sets.copy()
    for label, limits in enumerate(most):
        for which, limit in enumerate(limits):
            own = np.flatnonzero((classes == label) & (sets == which))
            kept[own[np.lexsort((own, keys[own]))][limit:]] = UNUSED
    return kept
