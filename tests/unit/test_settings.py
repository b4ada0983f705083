"""Settings: from the environment, then .env, then defaults; errors name the variable."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpoe.errors import SettingsError
from hpoe.settings import load_settings


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and in an environment without settings, which is restored."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("HPOE_") or name == "MLFLOW_TRACKING_URI":
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


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
    with pytest.raises(SettingsError, match=r"not a known setting: do you mean HPOE_WORKERS\?"):
        load_settings()


def test_a_name_like_no_setting_is_refused_with_all_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HPOE_QQQ", "2")
    with pytest.raises(SettingsError, match=r"HPOE_QQQ is not a known setting: .* HPOE_CHECKPOINT"):
        load_settings()


@places
@pytest.mark.parametrize("name", ["HPOE_TRACKING_URI", "HPOE_MLFLOW_TRACKING_URI"])
def test_the_address_of_the_store_under_a_wrong_name_is_refused_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    put(monkeypatch, place, name, "http://localhost:5000")
    with pytest.raises(SettingsError, match=f"{name} .* do you mean MLFLOW_TRACKING_URI"):
        load_settings()


def test_variables_that_kubernetes_sets_for_services_called_hpoe_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"""
    default = load_settings()
    for service in ("HPOE", "HPOE_SERVE"):
        for name, value in {
            "SERVICE_HOST": "10.0.0.7",
            "SERVICE_PORT": "5001",
            "PORT": "tcp://10.0.0.7:5001",
            "PORT_5001_TCP": "tcp://10.0.0.7:5001",
            "PORT_5001_TCP_PROTO": "tcp",
            "PORT_5001_TCP_PORT": "5001",
            "PORT_5001_TCP_ADDR": "10.0.0.7",
        }.items():
            monkeypatch.setenv(f"{service}_{name}", value)
    assert load_settings() == default


def test_without_such_a_service_the_same_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPOE_PORT", "5002")
    with pytest.raises(SettingsError, match=r"do you mean HPOE_SERVE_PORT\?"):
        load_settings()


@places
@pytest.mark.parametrize("name", ["mnist_dir", "usps_dir", "state_dir"])
def test_a_tilde_in_a_path_is_the_users_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(monkeypatch, place, f"HPOE_{name.upper()}", "~/st")
    assert getattr(load_settings(), name) == tmp_path / "st"
    put(monkeypatch, place, f"HPOE_{name.upper()}", "~nobody-of-this-name/st")
    with pytest.raises(SettingsError, match=f"HPOE_{name.upper()} .* no user of that name"):
        load_settings()


def test_an_env_file_in_another_encoding_is_named() -> None:
    Path(".env").write_bytes(b"HPOE_STATE_DIR=caf\xe9\n")
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5001"),
        ("::1", "http://[::1]:5001"),
        ("[::1]", "http://[::1]:5001"),
        ("localhost", "http://localhost:5001"),
    ],
)
def test_the_servers_address_can_be_opened_in_a_browser(host: str, url: str) -> None:
    """RFC 3986, section 3.2.2."""
    settings = load_settings(serve_host=host)
    assert settings.serve_url == url
    assert settings.serve_host == host.strip("[]")


def test_variables_of_other_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    Path(".env").write_text("AWS_PROFILE=x\nMLFLOW_TRACKING_USERNAME=x\nWORKERS=9\n")
    monkeypatch.setenv("WORKERS", "9")
    assert load_settings() == default
