"""USPS, the other digits of section 6: where its files are found, and its images and labels.

Two text files of "The Elements of Statistical Learning" (its data set "ZIP code"). Each line is an
image: its digit, then 256 intensities from -1 (background) to 1 (ink).
"""

import gzip
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.data import mirrors
from hpoe.data.mirrors import USPS_MIRRORS, Collection, download
from hpoe.data.mnist import Mnist
from hpoe.errors import DataError

SHA256 = {
    "zip.train.gz": "66ebf231ab51f2cf6ac1a892d0f98ccffee1079d7a5db638c1f11f366046ca16",
    "zip.test.gz": "8dacc3c6e136af6c3488de9e5113a7daf140c8c2f1f0b61c54ee02f03f1a962f",
}
SIDE = 16


def from_mirror(mirror: str, name: str, scratch: Path) -> bytes:
    """Return a file from a mirror."""
    return download(f"{mirror}{name}", scratch)


USPS = Collection(
    title="USPS",
    setting="HPOE_USPS_DIR",
    sha256=SHA256,
    sources={mirror: partial(from_mirror, mirror) for mirror in USPS_MIRRORS},
)
fetch = partial(mirrors.fetch, USPS)
"""Put both files of USPS into a folder."""


def load(folder: Path) -> Mnist:
    """Read both files, in the form of MNIST's four.

    Raises:
        DataError: a file is missing or damaged.
    """
    train, test = (_read(folder / name) for name in SHA256)
    return Mnist(*train, *test)


def is_complete(folder: Path) -> bool:
    """Whether a folder has both files, which are not read."""
    return all((folder / name).is_file() for name in SHA256)


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images uint8 [N, 16, 16], 0 background to 255 ink, and labels [N]."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        numbers = np.array([line.split() for line in lines], np.float64)
        images = np.rint((numbers[:, 1:] + 1) * 127.5).astype(np.uint8)
        labels: NDArray[np.uint8] = numbers[:, 0].astype(np.uint8)
        return images.reshape(-1, SIDE, SIDE), labels
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise DataError(f"{path} is missing or damaged ({error}): delete {path.parent}") from None
