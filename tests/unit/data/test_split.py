"""The split's files: images come back, and damage is named."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hpoe.data.split import ClassImages, class_path, labels_in, load_class, save_class
from hpoe.errors import DataError


def some_class(tests: int = 3) -> ClassImages:
    rng = np.random.default_rng(0)
    counts = (5, 2, 2, tests)
    images = (rng.integers(0, 256, (count, 4, 3), np.uint8) for count in counts)
    return ClassImages(*images, *map(np.arange, counts))


@pytest.mark.parametrize("tests", [3, 0], ids=["with test images", "without"])
@pytest.mark.parametrize("label", ["7", "T-shirt, top", "..", "é/ü", "🎉", "-rf *"])
def test_a_classs_images_come_back_from_its_file(tmp_path: Path, tests: int, label: str) -> None:
    """Of a few test images none may be of some class."""
    images = some_class(tests)
    save_class(tmp_path, label, images)
    found = load_class(tmp_path, label)
    for field in fields(ClassImages):
        kept, saved = (getattr(of, field.name) for of in (found, images))
        assert kept.dtype == saved.dtype
        np.testing.assert_array_equal(kept, saved)
    assert labels_in(tmp_path) == [label]
    assert class_path(tmp_path, label).parent == tmp_path


def another_array(path: Path) -> None:
    arrays = {field.name: getattr(some_class(), field.name) for field in fields(ClassImages)}
    save_file({**arrays, "weights": np.zeros(3)}, path)


@pytest.mark.parametrize("damage", [lambda path: path.write_text("x"), another_array, Path.unlink])
def test_a_damaged_file_is_named_with_what_to_do(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "7.safetensors"
    save_class(tmp_path, "7", some_class())
    damage(path)
    with pytest.raises(DataError, match=f"^{path} .*and run `dvc repro split`$"):
        load_class(tmp_path, "7")


def test_labels_are_listed_in_natural_order_and_nothing_else_with_them(tmp_path: Path) -> None:
    for label in ("10", "9", "a.b"):
        save_class(tmp_path, label, some_class())
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".5.safetensors.77.tmp").write_text("x")
    (tmp_path / ".5.safetensors").write_text("x")
    assert labels_in(tmp_path) == ["9", "10", "a.b"]


def test_a_folder_without_classes_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no images: run `dvc repro split`"):
        labels_in(tmp_path)
