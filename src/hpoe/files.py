"""Atomic writes: a file is written beside its place, then renamed into it."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from hpoe.errors import DataError, StorageError

if TYPE_CHECKING:
    from pandas import DataFrame


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block succeeds, and is removed otherwise.

    The block writes the file. It is flushed to the disk before it is renamed, so that a kill or a
    loss of power leaves either the old file or the new one.

    Raises:
        StorageError: the disk is full, or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that becomes `path` when the block succeeds, and is removed otherwise.

    What was there before is removed only then.

    Raises:
        StorageError: the disk is full, or something cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        temporary.mkdir()
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    """Write indented JSON atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path, remedy: str) -> Any:  # noqa: ANN401
    """Read JSON that hpoe has written.

    Args:
        path: of the file.
        remedy: what to do where the file is missing or damaged, for the message.

    Raises:
        DataError: it is.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {remedy}") from None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): {remedy}") from None


def write_table(path: Path, table: "DataFrame") -> None:
    """Write a table as CSV or Parquet, by the file's suffix."""
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's hexadecimal digest (`md5` is the one that DVC shows)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of this path whose writers, named by their PIDs, are dead."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.tmp")
    for leftover in path.parent.iterdir():
        writer = pattern.fullmatch(leftover.name)
        if writer and not psutil.pid_exists(int(writer[1])):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _storage_error(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"the disk is full: {path} could not be written; free some space and run the same "
            "command again, finished work is kept"
        )
    return StorageError(f"{path} could not be written: {error.strerror or error}")
