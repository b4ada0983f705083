"""The IDX format of MNIST's files: two zero bytes, type, number of dimensions, sizes, values."""

import struct
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpoe.errors import DataError

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes: 3 dimensions for images [N, rows, columns], 1 for labels.

    Raises:
        DataError: the magic number or the dimensions are wrong, or bytes are missing or left over.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes in {dimensions} dimensions: it begins "
            f"with {content[:4].hex(' ') or 'nothing'}, not {magic.hex(' ')}"
        )
    if len(content) < header:
        raise DataError(
            f"{path} is truncated: it has {len(content)} bytes, and its header alone needs {header}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if 0 in shape:
        raise DataError(f"{path} has an empty dimension: {shape}")
    surplus = len(content) - header - prod(shape)
    if surplus:
        what = (
            f"has {surplus} bytes too many" if surplus > 0 else f"is truncated by {-surplus} bytes"
        )
        raise DataError(f"{path} {what}: its header announces an array of {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
