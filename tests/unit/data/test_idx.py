"""IDX files: every array comes back, and an error names the file and the damage."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hpoe.data.idx import read_idx
from hpoe.errors import DataError

arrays = st.integers(1, 4).flatmap(
    lambda dimensions: hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=dimensions, max_dims=dimensions, max_side=4)
    )
)


def idx(array: NDArray[np.uint8]) -> bytes:
    """Encode an array as the format's description says: http://yann.lecun.com/exdb/mnist."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return header + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


@given(arrays)
def test_every_array_comes_back(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.uint8]
) -> None:
    path = tmp_path_factory.getbasetemp() / "array"
    path.write_bytes(idx(array))
    found = read_idx(path, array.ndim)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


IMAGES = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
LABELS = idx(np.array([5, 0, 4], np.uint8))


@pytest.mark.parametrize(
    ("content", "dimensions", "says"),
    [
        (b"", 3, "begins with nothing, not 00 00 08 03"),
        (LABELS, 3, "begins with 00 00 08 01, not 00 00 08 03"),
        (b"\0\0\x0d\x03" + IMAGES[4:], 3, "not an IDX file of unsigned bytes in 3 dimensions"),
        (IMAGES[:15], 3, "truncated: it has 15 bytes, and its header alone needs 16"),
        (IMAGES[:16], 3, "truncated by 24 bytes: its header announces an array of (2, 3, 4)"),
        (IMAGES + b"x", 3, "has 1 bytes too many: its header announces an array of (2, 3, 4)"),
        (idx(np.zeros((2, 0, 4), np.uint8)), 3, "has an empty dimension: (2, 0, 4)"),
        (b"\0\0\x08\x03" + b"\xff" * 12, 3, "truncated by"),
    ],
)
def test_damage_is_named_with_the_file_and_what_was_found(
    tmp_path: Path, content: bytes, dimensions: int, says: str
) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path, dimensions)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


@given(st.binary(max_size=40), st.sampled_from([1, 3]))
def test_any_bytes_are_an_array_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, dimensions: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(content)
    try:
        found = read_idx(path, dimensions)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert idx(found) == content
