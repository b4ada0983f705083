"""Packages and files of another contract are refused in a sentence that says what to do."""

from pathlib import Path

import pytest
from mlflow.models import Model

from hpoe.errors import PackageError, RegistryError
from hpoe.registration.candidates import Candidate
from hpoe.registration.packages import check_contract
from hpoe.tensors import save_tensors
from tests.unit.recognition.systems import recogniser


@pytest.mark.parametrize(
    ("metadata", "remedy"),
    [
        (
            None,
            "are of contract 1, and this hpoe serves contract 2; run `dvc repro`, or `hpoe sync`",
        ),
        ({"contract": 1}, "are of contract 1"),
        ({"contract": 3}, "are of contract 3, and this hpoe serves contract 2; update hpoe"),
    ],
)
def test_a_package_of_another_contract_is_refused(
    tmp_path: Path, metadata: dict[str, int] | None, remedy: str
) -> None:
    Model(metadata=metadata).save(str(tmp_path / "MLmodel"))
    with pytest.raises(PackageError, match=f"version 7 was registered by another.*{remedy}"):
        check_contract(tmp_path, "hpoe-digits", 7)


def test_a_package_of_this_contract_is_taken_and_a_damaged_one_left_to_its_worker(
    tmp_path: Path,
) -> None:
    Model(metadata={"contract": 2}).save(str(tmp_path / "MLmodel"))
    check_contract(tmp_path, "hpoe-digits", 7)
    for content in (b"", b"\xff: [", b"- 1"):
        (tmp_path / "MLmodel").write_bytes(content)
        check_contract(tmp_path, "hpoe-digits", 7)


def test_a_trained_system_of_another_contract_is_not_registered(tmp_path: Path) -> None:
    arrays, record = recogniser().contents()
    save_tensors(tmp_path / "recogniser.safetensors", arrays, {**record, "contract": 1})
    with pytest.raises(
        RegistryError, match=r"another version of hpoe.*contract 1.*: run `dvc repro`"
    ):
        Candidate.load(tmp_path / "recogniser.safetensors", tmp_path, tmp_path)
