"""Settings: from the environment, then .env, then defaults; errors name the variable."""

import os
import re
from pathlib import Path

import pytest

from hpoe.errors import SettingsError
from hpoe.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("HPOE_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)


def test_by_default_all_cores_work_and_state_is_beside_the_repository() -> None:
    assert load_settings() == Settings.model_construct(
        mnist_dir=None,
        usps_dir=None,
        workers=len(os.sched_getaffinity(0)),
        ray_address=None,
        device="cpu",
        checkpoint_seconds=2.0,
        state_dir=Path(".hpoe"),
        restore_only=False,
        serve_host="127.0.0.1",
        serve_port=5001,
        serve_workers=1,
        serve_max_body_bytes=67_108_864,
        serve_max_records=1000,
        serve_max_pixels=16_000_000,
        tracking_uri="",
    )


VALUES = [
    ("HPOE_MNIST_DIR", "/data/mnist", "mnist_dir", Path("/data/mnist")),
    ("HPOE_USPS_DIR", "/data/usps", "usps_dir", Path("/data/usps")),
    ("HPOE_WORKERS", "7", "workers", 7),
    ("HPOE_RAY_ADDRESS", "10.0.0.1:6379", "ray_address", "10.0.0.1:6379"),
    ("HPOE_DEVICE", "cuda", "device", "cuda"),
    ("HPOE_DEVICE", "auto", "device", "auto"),
    ("HPOE_CHECKPOINT_SECONDS", "0.5", "checkpoint_seconds", 0.5),
    ("HPOE_CHECKPOINT_SECONDS", "0", "checkpoint_seconds", 0.0),
    ("HPOE_STATE_DIR", "state", "state_dir", Path("state")),
    ("HPOE_RESTORE_ONLY", "true", "restore_only", True),
    ("HPOE_SERVE_HOST", "0.0.0.0", "serve_host", "0.0.0.0"),
    ("HPOE_SERVE_PORT", "8080", "serve_port", 8080),
    ("HPOE_SERVE_WORKERS", "4", "serve_workers", 4),
    ("HPOE_SERVE_FOLLOW", "true", "serve_follow", True),
    ("HPOE_SERVE_MAX_BODY_BYTES", "1000", "serve_max_body_bytes", 1000),
    ("HPOE_SERVE_MAX_RECORDS", "10", "serve_max_records", 10),
    ("HPOE_SERVE_MAX_PIXELS", "784", "serve_max_pixels", 784),
    ("MLFLOW_TRACKING_URI", "http://localhost:5000", "tracking_uri", "http://localhost:5000"),
]
every_value = pytest.mark.parametrize(("variable", "text", "field", "value"), VALUES)


def test_every_setting_is_tried() -> None:
    assert {field for _, _, field, _ in VALUES} == set(Settings.model_fields)


@every_value
def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(), field) == value


@every_value
def test_settings_come_from_the_env_file(
    variable: str, text: str, field: str, value: object
) -> None:
    Path(".env").write_text(f"{variable}={text}\n")
    assert getattr(load_settings(), field) == value


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("HPOE_WORKERS=3\nHPOE_STATE_DIR=state\n")
    monkeypatch.setenv("HPOE_WORKERS", "5")
    assert load_settings().workers == 5
    assert load_settings().state_dir == Path("state")


@pytest.mark.parametrize("variable", ["HPOE_WORKERS", "HPOE_MNIST_DIR", "MLFLOW_TRACKING_URI"])
def test_an_empty_variable_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    default = load_settings()
    monkeypatch.setenv(variable, "")
    assert load_settings() == default


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("HPOE_WORKERS", "0", "greater than or equal to 1"),
        ("HPOE_WORKERS", "-2", "greater than or equal to 1"),
        ("HPOE_WORKERS", "two", "valid integer"),
        ("HPOE_WORKERS", "1.5", "valid integer"),
        ("HPOE_RAY_ADDRESS", "10.0.0.1", "HOST:PORT"),
        ("HPOE_RAY_ADDRESS", "ray://10.0.0.1:10001", "HOST:PORT"),
        ("HPOE_DEVICE", "gpu", "'cpu', 'cuda' or 'auto'"),
        ("HPOE_CHECKPOINT_SECONDS", "-1", "greater than or equal to 0"),
        ("HPOE_CHECKPOINT_SECONDS", "soon", "valid number"),
        ("HPOE_CHECKPOINT_SECONDS", "nan", "greater than or equal to 0"),
        ("HPOE_RESTORE_ONLY", "perhaps", "valid boolean"),
        ("HPOE_SERVE_PORT", "65536", "less than or equal to 65535"),
        ("HPOE_SERVE_MAX_RECORDS", "0", "greater than or equal to 1"),
    ],
)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_wrong_value_is_told_with_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, allowed: str, place: str
) -> None:
    if place == "file":
        Path(".env").write_text(f"{variable}={text}\n")
    else:
        monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert re.match(rf"{variable} is {text!r}: (input )?should be", message)
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_gpu_and_a_cluster_are_not_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setenv("HPOE_RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("HPOE_DEVICE", device)
    with pytest.raises(SettingsError, match=f"HPOE_DEVICE is '{device}': should be unset, or HPOE"):
        load_settings()
    monkeypatch.setenv("HPOE_DEVICE", "cpu")
    assert load_settings().ray_address == "10.0.0.1:6379"


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_setting_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A misspelt variable that did nothing would be found out after the run."""
    if place == "file":
        Path(".env").write_text("HPOE_WORKER=2\n")
    else:
        monkeypatch.setenv("HPOE_WORKER", "2")
    with pytest.raises(SettingsError, match="HPOE_WORKER"):
        load_settings()


def test_variables_of_other_programs_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    Path(".env").write_text("AWS_PROFILE=x\nMLFLOW_TRACKING_USERNAME=x\nWORKERS=9\n")
    monkeypatch.setenv("WORKERS", "9")
    assert load_settings() == default


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.workers = 3  # type: ignore[misc]
