"""Tensor files: everything comes back, equal content gives equal bytes, damage is reported."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from hpoe.errors import TrainingError, WeightsError
from hpoe.tensors import FORMAT, Arrays, load_tensors, save_tensors

REMEDY = "make it again"
RECORD = {"fingerprint": "ab12", "nested": {"b": [1, 2.5], "a": None}, "text": "ä"}


def arrays() -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "weights": rng.normal(size=(4, 3)),
        "biases": rng.normal(size=3).astype(np.float32),
        "places": np.arange(5),
        "empty": np.empty((0, 2), np.uint8),
    }


def test_arrays_of_any_layout_and_the_record_come_back(tmp_path: Path) -> None:
    whole = np.arange(24.0).reshape(4, 6)
    given = {**arrays(), "transposed": whole.T, "strided": whole[::2, 1::3], "number": np.array(7)}
    save_tensors(tmp_path / "file", given, RECORD)
    found, record = load_tensors(tmp_path / "file", REMEDY)
    assert record == {**RECORD, "format": FORMAT}
    assert sorted(found) == sorted(given)
    for name, array in given.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        found[name] += 1  # what is loaded may be changed without changing the file
        np.testing.assert_array_equal(load_tensors(tmp_path / "file", REMEDY)[0][name], array)


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


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path, number: float) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(TrainingError, match=r"weights\.safetensors is not written: b has numbers"):
        save_tensors(path, {"a": np.ones(3), "b": np.array([1, number])}, {})
    assert not path.exists()
