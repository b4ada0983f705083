"""The split: balanced, disjoint, in MNIST's order, and kept as it is."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save_file

from hpoe.data.mnist import Mnist
from hpoe.data.split import ClassImages, labels_in, load_class, save_class, split
from hpoe.errors import DataError
from hpoe.params import Split


def sizes(digits: Sequence[int], unsupervised: int, supervised: int, test: int) -> Split:
    return Split(
        digits=tuple(digits),
        unsupervised_per_class=unsupervised,
        supervised_per_class=supervised,
        test_images=test,
    )


def some_mnist(labels: NDArray[np.uint8], test_labels: NDArray[np.uint8]) -> Mnist:
    """Images of two pixels that hold their own place in the file."""

    def numbered(count: int) -> NDArray[np.uint8]:
        places = np.arange(count, dtype=np.uint16)
        return places.view(np.uint8).reshape(count, 1, 2)

    return Mnist(numbered(len(labels)), labels, numbered(len(test_labels)), test_labels)


def shuffled(each: int, digits: int = 10, seed: int = 0) -> NDArray[np.uint8]:
    labels = np.repeat(np.arange(digits, dtype=np.uint8), each)
    return np.random.default_rng(seed).permutation(labels)


def places(images: NDArray[np.uint8]) -> list[int]:
    """The places that images of `some_mnist` hold."""
    return [int(low) + 256 * int(high) for low, high in images.reshape(-1, 2)]


def some_digit() -> ClassImages:
    mnist = some_mnist(shuffled(9), shuffled(3))
    return dict(split(mnist, sizes(range(10), 5, 4, test=30)))[7]


@given(st.data(), st.integers(1, 5), st.integers(1, 3))
def test_each_digits_first_images_are_cut_in_order_into_three_sets(
    data: st.DataObject, unsupervised: int, half: int
) -> None:
    labels = np.array(
        data.draw(st.permutations([digit for digit in (0, 3, 8) for _ in range(12)])), np.uint8
    )
    test_labels = np.array(data.draw(st.lists(st.sampled_from([0, 3, 8]), max_size=9)), np.uint8)
    first = data.draw(st.integers(1, 9))
    digits = data.draw(st.sampled_from([[0, 3, 8], [3, 8]]))
    mnist = some_mnist(labels, test_labels)
    seen = []
    for digit, images in split(mnist, sizes(digits, unsupervised, 2 * half, test=first)):
        seen.append(digit)
        of_digit = [place for place, label in enumerate(labels) if label == digit]
        tests = [place for place, label in enumerate(test_labels[:first]) if label == digit]
        ends = (unsupervised, unsupervised + half, unsupervised + 2 * half)
        assert places(images.unsupervised) == of_digit[: ends[0]]
        assert places(images.fit) == of_digit[ends[0] : ends[1]]
        assert places(images.validation) == of_digit[ends[1] : ends[2]]
        assert places(images.test) == tests
        for name in ("unsupervised", "fit", "validation", "test"):
            assert getattr(images, f"{name}_index").tolist() == places(getattr(images, name))
    assert seen == digits


def test_a_digit_with_too_few_images_is_named_with_what_was_asked() -> None:
    labels = np.concatenate([shuffled(8, digits=4), np.full(7, 4, np.uint8)])
    cut = split(some_mnist(labels, shuffled(1)), sizes(range(5), 6, 2, test=10))
    assert [next(cut)[0] for _ in range(4)] == [0, 1, 2, 3]  # exactly enough
    with pytest.raises(DataError, match=r"digit 4 has 7 training images.*needs 6 \+ 2"):
        next(cut)


@pytest.mark.parametrize("tests", [3, 0], ids=["with test images", "without"])
def test_a_digits_images_come_back_from_its_file(tmp_path: Path, tests: int) -> None:
    """Of a few test images none may be of some digit."""
    images = some_digit()
    images = replace(images, test=images.test[:tests], test_index=images.test_index[:tests])
    save_class(tmp_path, 7, images)
    found = load_class(tmp_path, 7)
    for field in fields(ClassImages):
        kept, saved = (getattr(of, field.name) for of in (found, images))
        assert kept.dtype == saved.dtype
        np.testing.assert_array_equal(kept, saved)


def another_array(path: Path) -> None:
    arrays = {field.name: getattr(some_digit(), field.name) for field in fields(ClassImages)}
    save_file({**arrays, "weights": np.zeros(3)}, path)


@pytest.mark.parametrize("damage", [lambda path: path.write_text("x"), another_array, Path.unlink])
def test_a_damaged_file_is_named_with_what_to_do(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "7.safetensors"
    save_class(tmp_path, 7, some_digit())
    damage(path)
    with pytest.raises(DataError, match=f"^{path} .*and run `dvc repro split`$"):
        load_class(tmp_path, 7)


def test_digits_are_listed_ascending_and_nothing_else_with_them(tmp_path: Path) -> None:
    for digit in (9, 0, 3):
        save_class(tmp_path, digit, some_digit())
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".5.safetensors.77.tmp").write_text("x")
    assert labels_in(tmp_path) == [0, 3, 9]
