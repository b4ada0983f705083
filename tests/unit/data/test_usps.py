"""USPS: read as its description says, and cut as section 6 needs."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from hpoe.data import usps
from hpoe.data.division import make_split
from hpoe.data.section_six import USPS_DATA, usps_split
from hpoe.data.split import labels_in, load_class
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


def test_both_sets_are_read_as_images_and_labels(raw: Path) -> None:
    found = usps.load(raw)
    assert found.train_images.shape == (40, 16, 16)
    assert found.train_labels.tolist() == [0, 1] * 20
    assert found.test_images.shape == (12, 16, 16)
    assert found.test_labels.tolist() == [0, 1] * 6


def test_intensities_are_background_0_to_ink_255(raw: Path) -> None:
    expected = np.random.default_rng(0).integers(0, 256, (40, 256))
    np.testing.assert_array_equal(usps.load(raw).train_images.reshape(40, 256), expected)


def test_each_digits_images_are_cut_in_order_as_section_six_needs(
    raw: Path, tmp_path: Path
) -> None:
    split = usps_split(0.75)
    make_split(tmp_path / "split", USPS_DATA, split, 1, raw=raw, workers=1, say=print)
    assert labels_in(tmp_path / "split") == ["0", "1"]
    for digit in (0, 1):
        images = load_class(tmp_path / "split", str(digit))
        assert images.unsupervised.shape == (15, 16, 16)
        assert [len(part) for part in (images.fit, images.validation, images.test)] == [2, 3, 6]
        index = (images.unsupervised_index, images.fit_index, images.validation_index)
        np.testing.assert_array_equal(np.concatenate(index), np.arange(digit, 40, 2))


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"6.0 -1.0 a\n", mtime=0)])
def test_a_damaged_file_is_named(raw: Path, content: bytes) -> None:
    (raw / "zip.train.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"zip\.train\.gz is missing or damaged"):
        usps.load(raw)
