"""MNIST: where its files are found, and what they hold."""

import struct
from pathlib import Path

import numpy as np
import pytest

from hpoe.data.mnist import SHA256, load
from hpoe.errors import DataError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(*shape: int, seed: int = 0) -> bytes:
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return header + np.random.default_rng(seed).integers(0, 10, shape, np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four tiny files of MNIST's names and format."""
    for seed, name in enumerate(SHA256):
        count = 6 if name.startswith("train") else 4
        shape = (count, 3, 2) if "images" in name else (count,)
        (tmp_path / name).write_bytes(idx(*shape, seed=seed))
    return tmp_path


def test_the_four_files_are_read_as_images_and_labels(folder: Path) -> None:
    found = load(folder)
    assert found.train_images.shape == (6, 3, 2)
    assert found.train_images.tobytes() == (folder / IMAGES).read_bytes()[16:]
    assert found.train_labels.tobytes() == (folder / LABELS).read_bytes()[8:]
    assert found.test_images.tobytes() == (folder / TEST_IMAGES).read_bytes()[16:]
    assert found.test_labels.tobytes() == (folder / TEST_LABELS).read_bytes()[8:]


def test_images_without_labels_are_refused(folder: Path) -> None:
    (folder / TEST_IMAGES).write_bytes(idx(5, 3, 2))
    with pytest.raises(DataError, match=r"t10k-.*: 5 images but 4 labels"):
        load(folder)
    (folder / LABELS).write_bytes(idx(5))
    with pytest.raises(DataError, match=r"train-.*: 6 images but 5 labels"):
        load(folder)
