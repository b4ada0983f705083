"""Data files from a folder or the network: verified by digest, then written at once."""

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from hpoe.errors import DataError, DownloadError
from hpoe.files import digest, write_bytes

MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
USPS_MIRRORS = (
    "https://hastie.su.domains/ElemStatLearn/datasets/",
    "https://web.stanford.edu/~hastie/ElemStatLearn/datasets/",
)
SECONDS_TO_CONNECT = 10
FAULTS = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    zlib.error,
    tarfile.TarError,
    subprocess.SubprocessError,
    DataError,
)
"""Exceptions of a source that is unreachable, damaged or has other files."""
Source = Callable[[str, Path], bytes]
"""Callable(name, scratch folder) that returns a file's content; all calls share the folder."""


@dataclass(frozen=True)
class Collection:
    """The files of a data set, and where they are found."""

    title: str
    setting: str
    """The HPOE_* variable that names a folder with the files."""
    sha256: Mapping[str, str]
    """SHA-256 digests by file name."""
    sources: Mapping[str, Source]
    """Sources on the network by description, the preferred one first."""


def fetch(
    files: Collection, folder: Path, local: Path | None, report: Callable[[str], None]
) -> None:
    """Put the files into `folder`, from the first source that has them.

    Files that are in `folder` already are used, also gzipped; none is changed. For the others, only
    `local` is searched if it is given, else the sources on the network in their order. A file is
    written once its digest is verified.

    Raises:
        DataError: a file is missing in `local`, or one there or in `folder` has a wrong digest.
        DownloadError: no source could deliver all files.
    """
    for name in files.sha256:
        if (folder / name).exists():
            _check(files, name, digest(folder / name), folder)
        elif (folder / f"{name}.gz").exists():
            _keep(files, folder / name, _read_local(files, folder, name), folder)
    missing = [name for name in files.sha256 if not (folder / name).exists()]
    if not missing:
        return
    if local is not None:
        report(f"{files.title} from {local}")
        for name in missing:
            _keep(files, folder / name, _read_local(files, local, name), local)
        return
    failures = []
    for description, source in files.sources.items():
        report(f"{files.title} from {description}")
        try:
            with tempfile.TemporaryDirectory() as scratch:
                for name in missing:
                    _keep(files, folder / name, source(name, Path(scratch)), description)
            return
        except FAULTS as error:
            failures.append(f"{description} ({_cause(error)})")
    raise DownloadError(
        f"{files.title} could not be fetched from {', '.join(failures)}: connect to the network, "
        f"or set {files.setting} to a folder with {', '.join(files.sha256)}"
    )


def check_local(files: Collection, folder: Path | None) -> None:
    """Check that a folder that a setting names has the files, raw or gzipped; none is read.

    Raises:
        DataError: it lacks one.
    """
    if folder is None:
        return
    for name in files.sha256:
        if not any((folder / each).is_file() for each in (name, f"{name}.gz")):
            raise _lacking(files, folder, name)


def download(url: str, folder: Path) -> bytes:
    """Return the content at an address, fetched into `folder` with a progress bar.

    Raises:
        OSError: it could not be reached.
    """
    pooch.get_logger().setLevel("WARNING")  # the progress bar says enough
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=SECONDS_TO_CONNECT)
    path = pooch.retrieve(url, known_hash=None, path=folder, downloader=downloader)
    return Path(path).read_bytes()


def _read_local(files: Collection, folder: Path, name: str) -> bytes:
    """Return a file of the user's folder, where it may be gzipped."""
    raw, zipped = folder / name, folder / f"{name}.gz"
    try:
        return raw.read_bytes() if raw.exists() else gzip.decompress(zipped.read_bytes())
    except FileNotFoundError:
        raise _lacking(files, folder, name) from None
    except FAULTS as error:
        raise DataError(f"{zipped} cannot be decompressed: {_cause(error)}") from None


def _lacking(files: Collection, folder: Path, name: str) -> DataError:
    return DataError(f"{files.setting} is {folder}, which lacks {name}")


def _keep(files: Collection, path: Path, content: bytes, source: object) -> None:
    _check(files, path.name, hashlib.sha256(content).hexdigest(), source)
    write_bytes(path, content)


def _check(files: Collection, name: str, found: str, source: object) -> None:
    if found != files.sha256[name]:
        raise DataError(
            f"{name} from {source} is not the file of {files.title}: its SHA-256 is {found}, "
            f"not {files.sha256[name]}; move it elsewhere or use another source"
        )


def _cause(error: Exception) -> str:
    """Return an error's reason in a few words, on one line."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
