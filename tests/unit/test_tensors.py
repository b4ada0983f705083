"""Tensor files: everything comes back, equal content gives equal bytes, damage is reported."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from hpoe.errors import WeightsError
from hpoe.tensors import FORMAT, Arrays, load_tensors, save_tensors

REMEDY = "make it again"
RECORD = {"fingerprint": "ab12", "nested": {"b": [1, 2.5], "a": None}, "text": "ä"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
some_arrays = st.dictionaries(
    st.text("abc.", min_size=1, max_size=4),
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8]),
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
    ),
    min_size=1,
    max_size=4,
)


def arrays() -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "weights": rng.normal(size=(4, 3)),
        "biases": rng.normal(size=3).astype(np.float32),
        "places": np.arange(5),
        "empty": np.empty((0, 2), np.uint8),
    }


@given(some_arrays, st.dictionaries(st.text("xyz", min_size=1), json_values, max_size=3))
def test_arrays_and_record_come_back(
    tmp_path_factory: pytest.TempPathFactory, given_arrays: Arrays, record: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save_tensors(path, given_arrays, record)
    found, found_record = load_tensors(path, REMEDY)
    assert found_record == {**record, "format": FORMAT}
    assert sorted(found) == sorted(given_arrays)
    for name, array in given_arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_slices_and_transposes_come_back_as_they_look(tmp_path: Path) -> None:
    whole = np.arange(24.0).reshape(4, 6)
    views = {"transposed": whole.T, "strided": whole[::2, 1::3]}
    save_tensors(tmp_path / "views", views, {})
    found, _ = load_tensors(tmp_path / "views", REMEDY)
    for name, view in views.items():
        np.testing.assert_array_equal(found[name], view)
        found[name] += 1  # what is loaded may be changed without changing the file
        np.testing.assert_array_equal(load_tensors(tmp_path / "views", REMEDY)[0][name], view)


def test_equal_content_gives_equal_bytes_in_any_order_and_process(tmp_path: Path) -> None:
    """Of four processes with metadata in the order of a hash table, few would agree."""
    save_tensors(tmp_path / "here", arrays(), RECORD)
    backwards = dict(reversed(arrays().items())), dict(reversed(RECORD.items()))
    save_tensors(tmp_path / "backwards", *backwards)
    assert (tmp_path / "backwards").read_bytes() == (tmp_path / "here").read_bytes()
    code = (
        "import sys; from pathlib import Path\n"
        "from hpoe.tensors import load_tensors, save_tensors\n"
        "arrays, record = load_tensors(Path(sys.argv[1]), '')\n"
        "save_tensors(Path(sys.argv[2]), arrays, record)\n"
    )
    for seed in range(4):
        there = tmp_path / f"there{seed}"
        command = [sys.executable, "-c", code, str(tmp_path / "here"), str(there)]
        subprocess.run(command, env={"PYTHONHASHSEED": str(seed)}, check=True, timeout=60)
        assert there.read_bytes() == (tmp_path / "here").read_bytes()


# Damage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of arrays."""
    save_tensors(tmp_path / "file", arrays(), RECORD)
    return tmp_path / "file"


def refusal(path: Path) -> str:
    """Return the message with which a file is refused: its path first, the remedy last."""
    with pytest.raises(WeightsError) as caught:
        load_tensors(path, REMEDY)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(f": {REMEDY}")
    return message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="gone is missing: run `dvc repro` to make it"):
        load_tensors(tmp_path / "gone", REMEDY)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"text\n" * 100,
        lambda content: content[:-1],
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content.replace(b"F64", b"X64"),
        lambda _: save(arrays(), {"hpoe": "{"}),
    ],
)
def test_a_damaged_file_is_named(path: Path, damage: Callable[[bytes], bytes]) -> None:
    path.write_bytes(damage(path.read_bytes()))
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize(
    ("metadata", "number"),
    [({"hpoe": f'{{"format": {FORMAT + 1}}}'}, str(FORMAT + 1)), (None, "unknown")],
    ids=["another version", "another program"],
)
def test_another_format_is_named_with_both_numbers(
    path: Path, metadata: dict[str, str] | None, number: str
) -> None:
    path.write_bytes(save(arrays(), metadata))
    assert f"has format {number}, this hpoe reads format {FORMAT}" in refusal(path)
