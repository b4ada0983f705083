"""Settings: from the environment, then .env, then defaults; errors name the variable."""

import os
from pathlib import Path

import pytest

from hpoe.errors import SettingsError
from hpoe.settings import load_settings


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, and in an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("HPOE_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)


places = pytest.mark.parametrize("place", ["environment", "file"])


def put(monkeypatch: pytest.MonkeyPatch, place: str, variable: str, text: str) -> None:
    """Set a variable in the environment or in .env."""
    if place == "environment":
        monkeypatch.setenv(variable, text)
    else:
        Path(".env").write_text(f"{variable}={text}\n")


@places
@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("HPOE_MNIST_DIR", "/data/mnist", Path("/data/mnist")),
        ("HPOE_WORKERS", "7", 7),
        ("HPOE_RAY_ADDRESS", "10.0.0.1:6379", "10.0.0.1:6379"),
        ("HPOE_CHECKPOINT_SECONDS", "0", 0.0),
        ("HPOE_SERVE_FOLLOW", "true", True),
        ("MLFLOW_TRACKING_URI", "http://localhost:5000", "http://localhost:5000"),
    ],
)
def test_settings_come_from_the_environment_and_from_the_env_file(
    monkeypatch: pytest.MonkeyPatch, place: str, variable: str, text: str, value: object
) -> None:
    put(monkeypatch, place, variable, text)
    name = variable.removeprefix("HPOE_").removeprefix("MLFLOW_").lower()
    assert getattr(load_settings(), name) == value


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("HPOE_WORKERS=3\nHPOE_STATE_DIR=state\n")
    monkeypatch.setenv("HPOE_WORKERS", "5")
    assert load_settings().workers == 5
    assert load_settings().state_dir == Path("state")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    for variable in ("HPOE_WORKERS", "HPOE_MNIST_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(variable, "")
    assert load_settings() == default


@places
@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("HPOE_WORKERS", "0", "input should be greater than or equal to 1"),
        ("HPOE_RAY_ADDRESS", "10.0.0.1", "should be HOST:PORT"),
        ("HPOE_DEVICE", "gpu", "input should be 'cpu', 'cuda' or 'auto'"),
        ("HPOE_CHECKPOINT_SECONDS", "nan", "input should be greater than or equal to 0"),
        ("HPOE_SERVE_PORT", "65536", "input should be less than or equal to 65535"),
    ],
)
def test_a_wrong_value_is_refused_with_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, place: str, variable: str, text: str, says: str
) -> None:
    put(monkeypatch, place, variable, text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{variable} is {text!r}: {says}")
    assert "\n" not in str(caught.value)


def test_a_gpu_and_a_cluster_cannot_be_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOE_RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("HPOE_DEVICE", "auto")
    with pytest.raises(SettingsError, match="HPOE_DEVICE is 'auto': should be unset, or HPOE"):
        load_settings()
    monkeypatch.setenv("HPOE_DEVICE", "cpu")
    assert load_settings().ray_address == "10.0.0.1:6379"


@places
def test_an_unknown_setting_is_refused(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Nobody would notice before the end of a run that a misspelt variable did nothing."""
    put(monkeypatch, place, "HPOE_WORKER", "2")
    with pytest.raises(
        SettingsError, match="HPOE_WORKER is not a known setting; the settings are HPOE_"
    ):
        load_settings()


def test_variables_of_other_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    Path(".env").write_text("AWS_PROFILE=x\nMLFLOW_TRACKING_USERNAME=x\nWORKERS=9\n")
    monkeypatch.setenv("WORKERS", "9")
    assert load_settings() == default
