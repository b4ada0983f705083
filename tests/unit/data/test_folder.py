"""Folders of pictures: classes, sets and groups are found, and what is odd is named."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpoe.data.folder import read_folder
from hpoe.errors import DataError
from tests.unit.data.sources import classes, intake, picture, save


def test_a_subfolder_is_a_class_and_its_pictures_are_read_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        save(tmp_path / "10" / f"{number}.png", number)
        save(tmp_path / "9" / f"{number}.PNG", number + 50)
    found = intake("folder", tmp_path)
    assert found.labels == ["9"] * 3 + ["10"] * 3
    expected = [picture(number) for number in (51, 59, 60, 1, 9, 10)]
    np.testing.assert_array_equal(found.images, expected)
    assert found.names == [f"{label}/{n}" for label, n in zip(
        found.labels, ("1.PNG", "9.PNG", "10.PNG", "1.png", "9.png", "10.png"), strict=True
    )]  # fmt: skip
    assert found.groups is None
    assert found.is_test is None


@pytest.mark.parametrize(
    ("train", "test", "more"), [("train", "test", "val"), ("Training", "Testing", "Validation")]
)
def test_folders_of_sets_above_the_classes_are_an_official_test_set(
    tmp_path: Path, train: str, test: str, more: str
) -> None:
    for name in (train, test, more):
        classes(tmp_path / name)
    found = read_folder(tmp_path)
    assert found.is_test is not None
    assert found.is_test.tolist() == [False] * 8 + [True] * 4
    assert found.labels == ["a", "a", "b", "b"] * 3


def test_train_and_test_beside_other_folders_are_classes(tmp_path: Path) -> None:
    assert set(read_folder(classes(tmp_path, names=("train", "bus"))).labels) == {"train", "bus"}
    assert set(read_folder(classes(tmp_path, names=("test", "bus"))).labels) == {
        *("train", "test", "bus")
    }


def test_a_folder_within_a_class_is_a_group(tmp_path: Path) -> None:
    for label in "ab":
        for group in ("w10", "w9"):
            save(tmp_path / label / group / "1.png", 1)
    found = intake("folder", tmp_path)
    assert found.groups == ["w9", "w10", "w9", "w10"]


def test_what_systems_leave_behind_and_hidden_files_are_not_looked_at(tmp_path: Path) -> None:
    classes(tmp_path)
    for name in ("Thumbs.db", ".DS_Store", "a/.DS_Store", "b/desktop.ini", "README.txt"):
        (tmp_path / name).write_text("x")
    for name in ("__MACOSX", ".hidden"):
        save(tmp_path / name / "1.png", 1)
    assert read_folder(tmp_path).labels == ["a", "a", "b", "b"]


NAMES = ("T-shirt, top", "it's", 'say "no"', "🎉", "👨‍👩‍👧", "-rf", "é", "100%", "~", "a=b")


def test_labels_are_any_text(tmp_path: Path) -> None:
    found = read_folder(classes(tmp_path, count=1, names=NAMES))
    assert sorted(found.labels) == sorted(NAMES)


# What is refused


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        intake("folder", root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_subfolders_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith(
        "has no subfolders: put the pictures of each class into its own"
    )


def test_pictures_beside_the_classes_are_named(tmp_path: Path) -> None:
    save(classes(tmp_path) / "lost.png", 1)
    assert "has 1 pictures that are in no folder of a class (lost.png)" in refusal(tmp_path)


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    assert "has one class only, 'a'" in refusal(classes(tmp_path, names=("a",)))


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (classes(tmp_path) / "empty").mkdir()
    assert f"{tmp_path / 'empty'} has no pictures" in refusal(tmp_path)


def test_classes_that_differ_only_in_case_are_both_named(tmp_path: Path) -> None:
    said = refusal(classes(tmp_path, names=("Heart", "heart", "star")))
    assert "the labels 'Heart' and 'heart' differ only in case" in said


def test_folders_with_one_label_are_both_named(tmp_path: Path) -> None:
    said = refusal(classes(tmp_path, names=("\u00e9", "e\u0301", "b")))
    assert "'e\u0301' and '\u00e9' have the same label" in said
    assert "have the same label" in refusal(classes(tmp_path / "x", names=("a", "a ")))


@pytest.mark.parametrize(("name", "says"), [("é" * 33, "has 66 bytes"), ("a\nb", "is no label")])
def test_a_name_that_is_no_label_is_refused(tmp_path: Path, name: str, says: str) -> None:
    assert says in refusal(classes(tmp_path, names=(name, "b")))


def test_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    classes(tmp_path)
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")  # noqa: PTH102
    save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff/1.png")), 1)
    assert "is not UTF-8: rename it" in refusal(tmp_path)


def test_groups_in_some_classes_only_are_refused(tmp_path: Path) -> None:
    save(classes(tmp_path) / "b" / "group" / "1.png", 1)
    assert "use CLASS/PICTURE or CLASS/GROUP/PICTURE for all" in refusal(tmp_path)


def test_folders_in_groups_are_refused(tmp_path: Path) -> None:
    save(classes(tmp_path) / "a" / "b" / "c" / "1.png", 1)
    assert f"{tmp_path / 'a/b/c'} is nested too deep" in refusal(tmp_path)


@pytest.mark.parametrize("place", ["c", "a/link.png"])
def test_a_link_out_of_the_tree_is_refused_with_its_path(tmp_path: Path, place: str) -> None:
    outside = save(tmp_path / "outside" / "1.png", 1)
    root = classes(tmp_path / "root")
    (root / place).symlink_to(outside if place.endswith(".png") else outside.parent)
    assert f"{root / place} leads out of {root}" in refusal(root)


def test_a_link_to_itself_is_refused_and_one_within_the_tree_is_followed(tmp_path: Path) -> None:
    root = classes(tmp_path / "root")
    (root / "c").symlink_to(root / "a")
    assert read_folder(root).labels == list("aabbcc")
    (root / "a" / "loop").symlink_to(root / "a")
    assert "leads" in refusal(root) or "nested too deep" in refusal(root)
    (root / "a" / "loop").unlink()
    (root / "a" / "self.png").symlink_to(root / "a" / "self.png")
    assert "self.png" in refusal(root)


# What cannot be read


def test_pictures_that_cannot_be_read_are_counted_and_the_first_named(tmp_path: Path) -> None:
    root = classes(tmp_path, count=6)
    (root / "a" / "0.png").write_bytes(b"")
    (root / "a" / "1.png").write_bytes((root / "a" / "2.png").read_bytes()[:50])
    (root / "b" / "notes.txt").write_text("some text")
    os.mkfifo(root / "b" / "pipe")
    (root / "b" / "gone.png").symlink_to(root / "b" / "nowhere.png")
    said = refusal(root)
    assert said.startswith(f"5 of 15 images of {root} cannot be used (a/0.png: the file is empty;")
    assert "a/1.png: the image is damaged or cut short" in said
    assert "send" not in said
    assert "; ...): mend or remove them, or set data.skip_unreadable to true" in said


def test_they_are_left_out_if_params_say_so(tmp_path: Path) -> None:
    root = classes(tmp_path, count=3)
    (root / "a" / "1.png").write_bytes(b"")
    found = intake("folder", root, skip_unreadable=True)
    assert found.labels == ["a", "a", "b", "b", "b"]
    expected = [picture(number) for number in (0, 2, 20, 21, 22)]
    np.testing.assert_array_equal(found.images, expected)
    assert found.names is not None
    assert found.names[:2] == ["a/0.png", "a/2.png"]


def test_a_picture_of_another_size_is_refused_as_it_is(tmp_path: Path) -> None:
    root = classes(tmp_path)
    Image.new("L", (9, 8), 20).save(root / "a" / "wide.png")
    assert "a/wide.png" in refusal(root)


def test_the_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    root = classes(tmp_path)
    frames = [Image.fromarray(picture(number)) for number in (7, 8)]
    frames[0].save(root / "b" / "2.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(intake("folder", root).images[-1], picture(7))


def test_processes_prepare_the_same_images_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hpoe.data import intake as module
    from hpoe.data.intake import read_source
    from tests.unit.data.sources import data

    root = classes(tmp_path, count=20)
    alone = intake("folder", root)
    monkeypatch.setattr(module, "BATCH", 7)
    several = read_source(data("folder", root), root, 2, lambda _: None)
    np.testing.assert_array_equal(alone.images, several.images)
    assert alone.labels == several.labels
