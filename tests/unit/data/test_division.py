"""The split: counts or fractions, equal images and groups together, stable, all or nothing."""

import errno
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hpoe.data.division import divide, make_split, save_split, shared_with_test
from hpoe.data.intake import Intake
from hpoe.data.mnist import Mnist
from hpoe.data.split import ClassImages, labels_in, load_class
from hpoe.errors import DataError, StorageError
from hpoe.params import Data, Split

SETS = ("unsupervised", "fit", "validation", "test")
Found = dict[str, ClassImages]


def sizes(**given: Any) -> Split:
    """70 and 30 % of the training images, 20 % for the test, shuffled; but what is given."""
    usual = {
        "classes": "all",
        "unsupervised_per_class": 0.7,
        "supervised_per_class": 0.3,
        "test": 0.2,
        "test_images": None,
        "shuffle": True,
    }
    return Split(**{**usual, **given})


OFFICIAL = sizes(unsupervised_per_class=10, supervised_per_class=4, test="official", shuffle=False)


def images(places: Sequence[int]) -> NDArray[np.uint8]:
    """Images of three pixels, one for each number, none of them blank."""
    numbers = np.array(places, np.int64)
    pixels = np.stack([np.full_like(numbers, 255), numbers // 256, numbers % 256], axis=1)
    return pixels.astype(np.uint8)[:, None]


def intake(labels: Sequence[str], which: Sequence[int] | None = None, **more: Any) -> Intake:
    """Images of some labels; those with the same number are equal."""
    return Intake(images(range(len(labels)) if which is None else which), list(labels), **more)


def several(counts: dict[str, int], seed: int = 0) -> list[str]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return np.random.default_rng(seed).permutation(labels).tolist()  # type: ignore[no-any-return]


def where(found: Found) -> dict[int, str]:
    """The set that each position is in."""
    return {
        place: name
        for each in found.values()
        for name in SETS
        for place in getattr(each, f"{name}_index").tolist()
    }


# In the source's order


@given(st.data(), st.integers(1, 5), st.integers(2, 5))
def test_each_classs_first_images_are_cut_in_order_into_three_sets(
    data: st.DataObject, unsupervised: int, supervised: int
) -> None:
    """The paper's split, against a plain description of it."""
    labels = data.draw(st.permutations([label for label in ("0", "3", "8") for _ in range(12)]))
    tests = data.draw(st.lists(st.sampled_from(["0", "3", "8"]), max_size=9))
    first, classes = data.draw(st.integers(1, 9)), data.draw(st.sampled_from(["all", ["3", "8"]]))
    is_test = np.repeat([False, True], [len(labels), len(tests)])
    asked = sizes(
        classes=classes,
        unsupervised_per_class=unsupervised,
        supervised_per_class=supervised,
        test="official",
        test_images=first,
        shuffle=False,
    )
    found = dict(divide(intake([*labels, *tests], is_test=is_test), asked, seed=1))
    assert list(found) == (["0", "3", "8"] if classes == "all" else classes)
    for label, each in found.items():
        own = [place for place, of in enumerate(labels) if of == label]
        ends = (unsupervised, unsupervised + supervised // 2, unsupervised + supervised)
        assert each.unsupervised_index.tolist() == own[: ends[0]]
        assert each.fit_index.tolist() == own[ends[0] : ends[1]]
        assert each.validation_index.tolist() == own[ends[1] : ends[2]]
        assert each.test_index.tolist() == [
            place for place, of in enumerate(tests[:first]) if of == label
        ]
        every = images(range(len(labels) + len(tests)))
        for name in SETS:
            places = getattr(each, f"{name}_index") + (len(labels) if name == "test" else 0)
            np.testing.assert_array_equal(getattr(each, name), every[places])


@pytest.mark.slow
def test_the_committed_split_is_the_papers_of_mnist(
    tmp_path: Path, mnist_dir: Path, mnist: Mnist, params: Any
) -> None:
    """The first 4,400 images of each digit, the next 1,000, and all test images, as they are."""
    counts = make_split(
        *(tmp_path / "split", params.data, params.split, params.seed),
        raw=mnist_dir,
        workers=1,
        say=print,
    )
    assert list(counts) == [str(digit) for digit in range(10)]
    for label in counts:
        found = load_class(tmp_path / "split", label)
        own = np.flatnonzero(mnist.train_labels == int(label))
        tests = np.flatnonzero(mnist.test_labels == int(label))
        parts = *np.split(own[:5400], [4400, 4900]), tests
        for name, places in zip(SETS, parts, strict=True):
            np.testing.assert_array_equal(getattr(found, f"{name}_index"), places)
            source = mnist.test_images if name == "test" else mnist.train_images
            np.testing.assert_array_equal(getattr(found, name), source[places])
        assert counts[label] == tuple(map(len, parts))


# Sizes

COUNTS = st.dictionaries(
    st.sampled_from(["a", "b", "10", "é", "-"]), st.integers(20, 60), min_size=2
)


@given(COUNTS, st.integers(0, 3))
def test_fractions_are_kept_in_every_class_to_one_image_and_no_image_is_lost(
    counts: dict[str, int], seed: int
) -> None:
    found = dict(divide(intake(several(counts)), sizes(), seed))
    assert set(found) == set(counts)
    for label, count in counts.items():
        got = [len(getattr(found[label], name)) for name in SETS]
        test = round(0.2 * count)
        left = count - test
        assert sum(got) == count
        assert got[3] == test
        assert got[0] == round(0.7 * left)
        assert got[1] == (left - got[0]) // 2
    assert len(where(found)) == sum(counts.values())


@given(COUNTS)
def test_counts_are_kept_exactly(counts: dict[str, int]) -> None:
    asked = sizes(unsupervised_per_class=9, supervised_per_class=5, test=4)
    for each in dict(divide(intake(several(counts)), asked, 1)).values():
        assert [len(getattr(each, name)) for name in SETS] == [9, 2, 3, 4]


def test_equal_images_exceed_no_count() -> None:
    which = [0] * 6 + list(range(1, 25)) + list(range(100, 130))
    asked = sizes(unsupervised_per_class=3, supervised_per_class=6, test=3)
    found = dict(divide(intake(["a"] * 30 + ["b"] * 30, which), asked, 1))
    assert all(len(getattr(each, name)) <= 3 for each in found.values() for name in SETS)


# What belongs together


@given(st.data())
def test_equal_images_are_never_in_two_sets_whatever_their_labels(data: st.DataObject) -> None:
    labels = several({"a": 40, "b": 40, "c": 30})
    which = data.draw(st.lists(st.integers(0, 90), min_size=110, max_size=110))
    shuffle = data.draw(st.booleans())
    try:
        found = dict(divide(intake(labels, which), sizes(shuffle=shuffle), 1))
    except DataError as error:
        assert "too few different images" in str(error)  # noqa: PT017
        return
    sets = defaultdict(set)
    for place, name in where(found).items():
        sets[which[place]].add(name)
    assert all(len(names) == 1 for names in sets.values())


def test_blank_images_are_like_all_others_in_a_class_of_them() -> None:
    """They carry nothing that could be known from another set."""
    blank = replace(intake(several({"a": 20, "b": 20})), images=np.zeros((40, 2, 2), np.uint8))
    found = dict(divide(blank, sizes(), 1))
    assert [len(getattr(found["a"], name)) for name in SETS] == [11, 2, 3, 4]


@given(st.data(), st.booleans())
def test_a_group_is_never_in_two_sets_whatever_its_classes(
    data: st.DataObject, shuffle: bool
) -> None:
    labels = several({"a": 60, "b": 50, "c": 40})
    groups = data.draw(st.lists(st.sampled_from("pqrstuvwxyz"), min_size=150, max_size=150))
    try:
        found = dict(divide(intake(labels, groups=groups), sizes(shuffle=shuffle), 1))
    except DataError as error:
        assert "too few groups" in str(error)  # noqa: PT017
        return
    sets = defaultdict(set)
    for place, name in where(found).items():
        sets[groups[place]].add(name)
    assert all(len(names) == 1 for names in sets.values())
    assert len(where(found)) == 150


def test_groups_that_share_an_image_stay_together() -> None:
    groups = [str(place // 5) for place in range(100)]
    which = list(range(100))
    which[7] = which[93]  # of groups 1 and 18
    found = dict(divide(intake(["a", "b"] * 50, which, groups=groups), sizes(), 1))
    sets = where(found)
    assert {sets[5], sets[7]} == {sets[90], sets[93]}


def test_many_groups_keep_the_fractions_in_every_class() -> None:
    """Groups of ten images are at most one group off in each set, with two classes in each."""
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 100, 1000).astype(str).tolist()
    labels = rng.permutation(["a", "b"] * 500).tolist()
    found = dict(divide(intake(labels, groups=groups), sizes(), 1))
    for each in found.values():
        got = [len(getattr(each, name)) for name in SETS]
        np.testing.assert_allclose(got, [280, 60, 60, 100], atol=12)


def test_a_class_of_fewer_groups_than_sets_is_refused() -> None:
    groups = [f"{label}{place // 20}" for label in "ab" for place in range(60)]
    with pytest.raises(DataError, match="class 'a' has too few groups for the set 'test'"):
        dict(divide(intake(["a"] * 60 + ["b"] * 60, groups=groups), sizes(), 1))


# Stability


def by_image(found: Found) -> dict[bytes, str]:
    return {
        image.tobytes(): name
        for each in found.values()
        for name in SETS
        for image in getattr(each, name)
    }


@given(st.permutations(range(70)), st.integers(0, 3))
def test_another_class_and_another_order_change_nothing(order: list[int], seed: int) -> None:
    before = intake(["a"] * 40 + ["c"] * 30)
    labels = [["a"] * 40 + ["c"] * 30][0]
    more = ["b"] * 25 + [labels[place] for place in order]
    after = intake(more, [*range(100, 125), *order])
    was, now = (by_image(dict(divide(each, sizes(), seed))) for each in (before, after))
    assert was.items() <= now.items()


def test_another_seed_draws_other_sets_and_the_same_seed_the_same() -> None:
    images_of = intake(several({"a": 40, "b": 40}))
    first, again, other = (dict(divide(images_of, sizes(), seed)) for seed in (1, 1, 2))
    assert where(first) == where(again) != where(other)


def test_the_draw_is_uniform() -> None:
    """Each image is in the test set of 400 seeds 80 times in the mean; the standard deviation is 8.

    All of 50 stay within 5 of them with a probability of more than 0.9999.
    """
    images_of = intake(["a"] * 25 + ["b"] * 25)
    counts: Counter[int] = Counter()
    for seed in range(400):
        for each in dict(divide(images_of, sizes(), seed)).values():
            counts.update(each.test_index.tolist())
    assert all(abs(counts[place] - 80) < 40 for place in range(50))


# What cannot be split


@pytest.mark.parametrize(
    ("counts", "asked", "says"),
    [
        ({"a": 30, "b": 1}, {}, "class 'b' has 0 training images, and at least 10 are needed"),
        ({"a": 30, "b": 11}, {}, "class 'b' has 9 training images, and at least 10 are needed"),
        ({"a": 30, "b": 30}, {"classes": ["a", "c"]}, "names 'c'.*it has 'a', 'b'"),
        ({"a": 30, "b": 30}, {"test": "official"}, "the source has no test set of its own"),
        (
            {"a": 30, "b": 12},
            {"unsupervised_per_class": 9, "supervised_per_class": 4, "test": 0.1},
            r"class 'b' has 11 training images.*needs 9 \+ 4: reduce them",
        ),
        (
            {"a": 30, "b": 30},
            {"supervised_per_class": 0.01},
            "class 'a' has too few different images for the set 'fit', which got none",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_and_says_why(
    tmp_path: Path, counts: dict[str, int], asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        save_split(tmp_path / "split", intake(several(counts)), sizes(**asked), 1)
    assert list(tmp_path.iterdir()) == []


def test_ten_training_images_are_enough() -> None:
    found = dict(divide(intake(several({"a": 12, "b": 13})), sizes(), 1))
    assert [len(getattr(found["a"], name)) for name in SETS] == [7, 1, 2, 2]


def test_test_images_of_an_unknown_class_are_refused_unless_classes_are_chosen() -> None:
    labels = ["a", "b"] * 20 + ["a", "c"]
    given_ = intake(labels, is_test=np.arange(42) >= 40)
    with pytest.raises(DataError, match="the test set has images of 'c', of which there are no"):
        dict(divide(given_, OFFICIAL, 1))
    chosen = OFFICIAL.model_copy(update={"classes": ("a", "b")})
    assert len(dict(divide(given_, chosen, 1))["a"].test) == 1


def test_what_a_test_set_shares_with_the_training_images_is_counted_and_named() -> None:
    labels = ["a", "b"] * 20
    is_test = np.arange(40) >= 30
    which = [*range(30), 3, *range(31, 39), 3]
    shared = intake(labels, which, is_test=is_test)
    assert shared_with_test(shared) == (
        "2 of 10 test images are training images, too (the first is test image 0, like "
        "training image 3)"
    )
    assert shared_with_test(intake(labels, is_test=is_test)) is None
    groups = ["x"] * 29 + ["y"] * 11
    told = shared_with_test(intake(labels, is_test=is_test, groups=groups))
    assert told == "1 groups are in the training and the test set (y)"


def write_npz(path: Path, shared: int) -> Data:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 8, 8), np.uint8)
    labels = np.arange(60) % 2
    tests = np.concatenate([pixels[:shared], rng.integers(0, 256, (9 - shared, 8, 8), np.uint8)])
    np.savez(path, x_train=pixels, y_train=labels, x_test=tests, y_test=np.arange(9) % 2)
    return Data(
        source="npz",
        path=str(path),
        image_size=(8, 8),
        preparation="as_is",
        skip_unreadable=False,
        columns=None,
    )


def test_a_test_set_with_training_images_is_refused_or_cut_anew(tmp_path: Path) -> None:
    data, folder = write_npz(tmp_path / "some.npz", shared=4), tmp_path / "split"
    asked = OFFICIAL
    with pytest.raises(DataError, match=r"4 of 9 test images are training images, too.*fraction"):
        make_split(folder, data, asked, 1, raw=tmp_path, workers=1, say=print)
    make_split(folder, data, sizes(), 1, raw=tmp_path, workers=1, say=print)
    found = {label: load_class(folder, label) for label in labels_in(folder)}
    assert sorted(where(found)) == list(range(69))  # the source's own test set is cut, too


# Nothing half-written


def test_a_full_disk_leaves_the_split_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "split"
    save_split(folder, intake(several({"a": 20, "b": 20})), sizes(), 1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    written = []

    def write(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        with path.open("wb") as file:
            return file.write(content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(StorageError, match="the disk is full"):
        save_split(folder, intake(several({"c": 20, "d": 20, "e": 20})), sizes(), 1)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["split"]


def test_a_split_replaces_the_one_before_with_all_its_classes(tmp_path: Path) -> None:
    save_split(tmp_path / "split", intake(several({"a": 20, "b": 20, "c": 20})), sizes(), 1)
    save_split(tmp_path / "split", intake(several({"a": 20, "d": 20})), sizes(), 1)
    assert labels_in(tmp_path / "split") == ["a", "d"]
