"""Arrays, in npz and in IDX files: labels and sets are found, and what is odd is named."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hpoe.data.intake import prepare_all
from hpoe.errors import DataError
from hpoe_recognition.formats import Format, prepared
from hpoe_recognition.images import Limits, base64_png, decode, open_picture
from tests.unit.data.sources import intake, picture

IMAGES = np.array([picture(number) for number in range(6)])
LABELS = np.array([0, 1, 0, 1, 10, 10])


def refusal(source: str, path: Path, **given: Any) -> str:
    with pytest.raises(DataError) as caught:
        intake(source, path, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# npz


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, "U2", "S2"])
def test_arrays_as_numpy_and_medmnist_save_them(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    labels = LABELS.astype(int).astype(dtype).reshape(shape)
    path = tmp_path / "some.npz"
    parts = {"train": slice(3), "val": slice(3, 5), "test": slice(5, 6)}
    for x, y in (("x_{}", "y_{}"), ("{}_images", "{}_labels"), ("X_{}", "Y_{}")):
        arrays: dict[str, Any] = {x.format(name): IMAGES[part] for name, part in parts.items()}
        arrays |= {y.format(name): labels[part] for name, part in parts.items()}
        np.savez(path, **arrays)
        found = intake("npz", path)
        np.testing.assert_array_equal(found.images, IMAGES)
        assert found.labels == ["0", "1", "0", "1", "10", "10"]
        assert found.is_test is not None
        assert found.is_test.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize("images", [IMAGES.astype(float), IMAGES[..., None], IMAGES])
def test_one_set_of_images_of_any_type(tmp_path: Path, images: NDArray[Any]) -> None:
    np.savez_compressed(tmp_path / "some.npz", images=images, labels=LABELS)
    found = intake("npz", tmp_path / "some.npz")
    np.testing.assert_array_equal(found.images, IMAGES)
    assert found.is_test is None


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": LABELS}, "has a: name the arrays x_train, y_train"),
        ({"x_train": IMAGES}, "lacks y_train: it has x_train"),
        ({"x": IMAGES, "y": LABELS[:5]}, "6 x, but 5 y"),
        ({"x": IMAGES, "y": np.zeros((6, 14), int)}, r"the labels have the shape \[6, 14\]"),
        ({"x": IMAGES, "y": LABELS / 3}, "the labels are of the type float64"),
        ({"x": IMAGES / 255, "y": LABELS}, "not all of it whole numbers from 0 to 255"),
        ({"x": IMAGES.astype(int) - 9, "y": LABELS}, "not all of it whole numbers from 0 to 255"),
        ({"x": np.full((6, 8, 8), np.nan), "y": LABELS}, "not all of it whole numbers"),
        ({"x": IMAGES.reshape(6, 64), "y": LABELS}, r"has the shape \[6, 64\]"),
        ({"x": IMAGES, "y": LABELS.astype(object)}, "is damaged, or not of plain arrays"),
        ({"x": IMAGES, "y": np.zeros(6, int)}, "has one class only, '0'"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "has no images"),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:, 1:], "y_test": LABELS},
            "the training images are 8 x 8, and the test images 7 x 8",
        ),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(
    tmp_path: Path, arrays: dict[str, Any], says: str
) -> None:
    np.savez(tmp_path / "some.npz", **arrays)
    with pytest.raises(DataError, match=says):
        intake("npz", tmp_path / "some.npz")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"text"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "some.npz").write_bytes(content)
    assert refusal("npz", tmp_path / "some.npz").startswith(str(tmp_path / "some.npz"))


def test_a_damaged_member_and_a_single_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    np.savez_compressed(path, x=IMAGES, y=LABELS)
    content = bytearray(path.read_bytes())
    content[80:120] = bytes(40)
    path.write_bytes(content)
    assert "is damaged" in refusal("npz", path)
    with path.open("wb") as file:
        np.save(file, IMAGES)
    assert "is one array" in refusal("npz", path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for source in ("npz", "idx", "folder"):
        assert "which does not exist" in refusal(source, tmp_path / "none")


# IDX


def idx(array: NDArray[Any]) -> bytes:
    kind = {"u1": 8, "i1": 9, "i2": 11, "i4": 12}[array.dtype.str[1:]]
    head = struct.pack(f">BBBB{array.ndim}i", 0, 0, kind, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write(folder: Path, names: str, labels: NDArray[Any], count: int, zipped: bool) -> None:
    for content, array in (("images-idx3", IMAGES[:count]), ("labels-idx1", labels[:count])):
        packed = gzip.compress(idx(array)) if zipped else idx(array)
        (folder / names.format(content)).write_bytes(packed)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4"])
@pytest.mark.parametrize("names", ["{}-{{}}-ubyte", "emnist-letters-{}-{{}}-ubyte.gz"])
def test_idx_files_of_any_names_and_types(
    tmp_path: Path, zipped: bool, kind: str, names: str
) -> None:
    write(tmp_path, names.format("train"), LABELS.astype(kind), 6, zipped)
    assert intake("idx", tmp_path).is_test is None
    test = "t10k" if names.startswith("{}") else "test"
    write(tmp_path, names.format(test), LABELS.astype(kind), 3, zipped)
    (tmp_path / "readme.txt").write_text("x")
    found = intake("idx", tmp_path)
    np.testing.assert_array_equal(found.images, np.concatenate([IMAGES, IMAGES[:3]]))
    assert found.labels == ["0", "1", "0", "1", "10", "10", "0", "1", "0"]
    assert found.is_test is not None
    assert found.is_test.tolist() == [False] * 6 + [True] * 3


def test_idx_files_that_do_not_say_which_they_are_or_do_not_match_are_refused(
    tmp_path: Path,
) -> None:
    assert "has no file for the images of the set train" in refusal("idx", tmp_path)
    write(tmp_path, "train-{}-ubyte", LABELS.astype("u1"), 6, False)
    write(tmp_path, "t10k-{}-ubyte", LABELS.astype("u1"), 3, False)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert "has no file for the labels of the set test" in refusal("idx", tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS.astype("u1")))
    assert "t10k-images-idx3-ubyte: 3 images but 6 labels" in refusal("idx", tmp_path)
    (tmp_path / "digits-train-images-idx3-ubyte").write_bytes(b"")
    assert "which are of the same set" in refusal("idx", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0\x0d\1", b"\0\0\x08\3", b"\1\0\x08\1"])
def test_labels_that_are_no_whole_numbers_are_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "train-{}-ubyte", LABELS.astype("u1"), 6, False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(content + bytes(20))
    assert "is not an IDX file of whole numbers in 1 dimension" in refusal("idx", tmp_path)


def test_a_gzip_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    write(tmp_path, "train-{}-ubyte", LABELS.astype("u1"), 6, True)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path} cannot be decompressed" in refusal("idx", tmp_path)


# Preparation


def test_the_size_of_all_arrays_is_refused_at_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", x=IMAGES, y=LABELS)
    said = refusal("npz", tmp_path / "some.npz", image_size=[10, 12])
    assert said == (
        f"the images of {tmp_path}/some.npz are 8 x 8, and data.image_size is [10, 12]: make it "
        "[8, 8], or data.preparation fit"
    )


@pytest.mark.parametrize("preparation", ["as_is", "ink", "fit"])
def test_arrays_are_prepared_as_the_server_prepares_a_file_of_them(preparation: Any) -> None:
    """Also those of few levels, which the server brings to 256."""
    size = 8 if preparation == "as_is" else 28
    form = Format(size, size, preparation)
    arrays = np.concatenate([IMAGES, IMAGES // 16, IMAGES * 0])
    arrays = arrays if preparation == "as_is" else np.kron(arrays, np.ones((1, 5, 5), np.uint8))
    images, faults = prepare_all(arrays, form, 1, print)
    assert faults == {}
    for array, image in zip(arrays, images, strict=True):
        content = decode(base64_png(array), Limits())
        np.testing.assert_array_equal(image, prepared(open_picture(content, Limits()), form))


def test_arrays_in_colour_are_prepared_as_pictures() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (3, 30, 20, 3), np.uint8)
    images, faults = prepare_all(colour, Format(28, 28, "fit"), 1, print)
    assert faults == {}
    for array, image in zip(colour, images, strict=True):
        expected = prepared(Image.fromarray(array), Format(28, 28, "fit"))
        np.testing.assert_array_equal(image, expected)
