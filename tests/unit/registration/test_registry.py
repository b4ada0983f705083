"""The registry where there is nothing to ask."""

from pathlib import Path

import pytest

from hpoe.errors import RegistryError, UnreachableError
from hpoe.registration.registry import Registry


@pytest.mark.slow
def test_a_store_without_the_model_says_how_to_register_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    with pytest.raises(RegistryError, match=r"no registered model hpoe-digits: `make repro`"):
        Registry("").champion()


def test_a_server_that_is_down_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"http://127.0.0.1:9 does not answer"):
        Registry("http://127.0.0.1:9")
