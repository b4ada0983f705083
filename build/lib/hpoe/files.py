"""Files that are whole or not there: written beside their place, then renamed into it."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from hpoe.errors import StorageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well, and is removed otherwise.

    The block writes the file; it is flushed to the disk before it is renamed, so that a kill or a
    loss of power leaves the old file or the new one. What a killed writer left is swept first.

    Raises:
        StorageError: the disk is full, or the place cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    """Write readable JSON at once or not at all."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def digest(path: Path, algorithm: str = "sha256") -> str:
    """The file's digest as hexadecimal digits (`md5` is the one DVC shows)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _sweep(path: Path) -> None:
    """Remove what killed writers of the same file left; the number in the name tells who wrote."""
    prefix, suffix = f".{path.name}.", ".tmp"
    for leftover in path.parent.iterdir():
        if leftover.name.startswith(prefix) and leftover.name.endswith(suffix):
            writer = leftover.name[len(prefix) : -len(suffix)]
            if writer.isdecimal() and not psutil.pid_exists(int(writer)):
                leftover.unlink(missing_ok=True)


def _storage_error(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"the disk is full: {path} could not be written; free some space and run the same "
            "command again, what was finished is kept"
        )
    return StorageError(f"{path} could not be written: {error.strerror or error}")
