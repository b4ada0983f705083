"""The USPS digits of section 6: found on this machine or fetched, verified, cut as MNIST is.

Two text files of "The Elements of Statistical Learning" (its data set "ZIP code"): a line an image,
its digit, then 256 intensities from -1 (background) to 1 (ink).
"""

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.data.mirrors import download
from hpoe.data.split import DigitImages
from hpoe.errors import DataError, DownloadError
from hpoe.files import digest, write_bytes

SHA256 = {
    "zip.train.gz": "66ebf231ab51f2cf6ac1a892d0f98ccffee1079d7a5db638c1f11f366046ca16",
    "zip.test.gz": "8dacc3c6e136af6c3488de9e5113a7daf140c8c2f1f0b61c54ee02f03f1a962f",
}
MIRRORS = (
    "https://hastie.su.domains/ElemStatLearn/datasets/",
    "https://web.stanford.edu/~hastie/ElemStatLearn/datasets/",
)
SIDE = 16
Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]


def fetch(folder: Path, usps_dir: Path | None, report: Callable[[str], None]) -> None:
    """Put both files into `folder`: from `usps_dir` alone if it is given, else from the mirrors.

    Raises:
        DataError: a file of `usps_dir` is missing or has a wrong digest.
        DownloadError: no mirror could be reached.
    """
    for name, sha256 in SHA256.items():
        path = folder / name
        if not (path.exists() and digest(path) == sha256):
            write_bytes(path, _from_mirrors(name) if usps_dir is None else _local(usps_dir, name))
            report(f"{name} from {usps_dir or 'a public mirror'}")


def split(folder: Path, unsupervised_share: float) -> Iterator[tuple[int, DigitImages]]:
    """Each digit's images: the first share of its training images unsupervised, the rest in halves.

    USPS has no supervised set of its own (section 6 does not say how the paper cut it).

    Raises:
        DataError: a file is missing or damaged.
    """
    (images, labels), (test_images, test_labels) = (_read(folder / name) for name in SHA256)
    for digit in np.unique(labels):
        index = np.flatnonzero(labels == digit)
        first = round(unsupervised_share * len(index))
        trains, fits, validates = np.split(index, [first, first + (len(index) - first) // 2])
        tests = np.flatnonzero(test_labels == digit)
        yield (
            int(digit),
            DigitImages(
                unsupervised=images[trains],
                fit=images[fits],
                validation=images[validates],
                test=test_images[tests],
                unsupervised_index=trains,
                fit_index=fits,
                validation_index=validates,
                test_index=tests,
            ),
        )


def _read(path: Path) -> Labelled:
    """Images uint8 [N, 16, 16], 0 background to 255 ink, and labels [N]."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        numbers = np.array([line.split() for line in lines], np.float64)
        images = np.rint((numbers[:, 1:] + 1) * 127.5).astype(np.uint8)
        return images.reshape(-1, SIDE, SIDE), numbers[:, 0].astype(np.int64)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise DataError(f"{path} is missing or damaged ({error}): delete {path.parent}") from None


def _local(folder: Path, name: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError:
        raise DataError(f"HPOE_USPS_DIR is {folder}, which has no {name}") from None
    if not _is_right(name, content):
        raise DataError(
            f"{folder / name} is not USPS's: its SHA-256 is {hashlib.sha256(content).hexdigest()}"
        )
    return content


def _from_mirrors(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        for mirror in MIRRORS:
            with suppress(OSError):
                content = download(f"{mirror}{name}", Path(scratch))
                if _is_right(name, content):
                    return content
    raise DownloadError(
        f"{name} of USPS could not be fetched from {', '.join(MIRRORS)}: connect to the network, "
        "or set HPOE_USPS_DIR to a folder with zip.train.gz and zip.test.gz"
    )


def _is_right(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256[name]
