"""USPS: read as its description says, and cut as section 6 needs."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from hpoe.data import usps
from hpoe.errors import DataError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Files in USPS's format: forty training and twelve test images of digits 0 and 1."""
    rng = np.random.default_rng(0)
    for name, images in zip(usps.SHA256, (40, 12), strict=True):
        pixels = rng.integers(0, 256, (images, 256)) / 127.5 - 1
        lines = [
            f"{place % 2}.0000 " + " ".join(f"{value:.4f}" for value in row) + " "
            for place, row in enumerate(pixels)
        ]
        (tmp_path / name).write_bytes(gzip.compress("\n".join(lines).encode()))
    return tmp_path


def test_each_digits_images_are_cut_in_order(raw: Path) -> None:
    found = dict(usps.split(raw, 0.75))
    assert list(found) == [0, 1]
    for digit, images in found.items():
        assert images.unsupervised.shape == (15, 16, 16)
        assert [len(part) for part in (images.fit, images.validation, images.test)] == [2, 3, 6]
        index = (images.unsupervised_index, images.fit_index, images.validation_index)
        np.testing.assert_array_equal(np.concatenate(index), np.arange(digit, 40, 2))


def test_intensities_are_background_0_to_ink_255(raw: Path) -> None:
    expected = np.random.default_rng(0).integers(0, 256, (40, 256))
    found = dict(usps.split(raw, 0.75))[1].unsupervised
    np.testing.assert_array_equal(found.reshape(15, 256), expected[1:30:2])


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"6.0 -1.0 a\n", mtime=0)])
def test_a_damaged_file_is_named(raw: Path, content: bytes) -> None:
    (raw / "zip.train.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"zip\.train\.gz is missing or damaged"):
        list(usps.split(raw, 0.75))
