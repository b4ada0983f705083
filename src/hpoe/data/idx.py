"""The IDX format of MNIST's files: two zero bytes, type, number of dimensions, sizes, values."""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpoe.errors import DataError

UNSIGNED_BYTE = 0x08
INTEGERS = {UNSIGNED_BYTE: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
"""The types of whole numbers, by their codes, as NumPy names them."""
GZIP = b"\x1f\x8b"


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes: 3 dimensions for images [N, rows, columns], 1 for labels.

    It may be gzipped.

    Raises:
        DataError: the magic number or the dimensions are wrong, or bytes are missing or left over.
    """
    content = _content(path)
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes in {dimensions} dimensions: it begins "
            f"with {content[:4].hex(' ') or 'nothing'}, not {magic.hex(' ')}"
        )
    return _array(path, content)


def read_labels(path: Path) -> NDArray[Any]:
    """Read an IDX file of whole numbers of any size, [N]; it may be gzipped.

    Raises:
        DataError: as `read_idx` does.
    """
    content = _content(path)
    if content[:2] != b"\0\0" or content[2:3] not in map(_byte, INTEGERS) or content[3:4] != b"\1":
        raise DataError(
            f"{path} is not an IDX file of whole numbers in 1 dimension: it begins with "
            f"{content[:4].hex(' ') or 'nothing'}"
        )
    return _array(path, content)


def _byte(code: int) -> bytes:
    return bytes((code,))


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} cannot be decompressed: {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _array(path: Path, content: bytes) -> NDArray[Any]:
    """Return the array whose header has been checked for type and dimensions."""
    kind, dimensions = np.dtype(INTEGERS[content[2]]), content[3]
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataError(
            f"{path} is truncated: it has {len(content)} bytes, and its header alone needs {header}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if 0 in shape:
        raise DataError(f"{path} has an empty dimension: {shape}")
    surplus = len(content) - header - prod(shape) * kind.itemsize
    if surplus:
        what = (
            f"has {surplus} bytes too many" if surplus > 0 else f"is truncated by {-surplus} bytes"
        )
        raise DataError(f"{path} {what}: its header announces an array of {shape}")
    return np.frombuffer(content, kind, offset=header).reshape(shape)
