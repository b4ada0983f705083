"""The command `hpoe`: where it runs, what `check` looks at, options that every program has."""

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hpoe import __version__
from hpoe.cli import app
from hpoe.project.creation import write_files
from tests.unit.project.conftest import found

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in whose folder data/deep the command is called."""
    root = tmp_path / "project"
    (root / "data/deep").mkdir(parents=True)
    shutil.copytree(ROOT / "pipelines", root / "pipelines")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root)
    monkeypatch.chdir(root / "data/deep")
    return root


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, arguments)


def test_the_version_is_shown() -> None:
    assert run("--version").output == f"hpoe {__version__}\n"


def test_a_command_in_a_subfolder_runs_in_the_root_of_its_project(project: Path) -> None:
    assert run("check").exit_code == 0
    assert Path.cwd() == project
    assert list((project / "data/deep").iterdir()) == []


def test_paths_on_the_command_line_are_those_of_the_folder_it_is_called_in(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def image_files(paths: list[Path]) -> list[Path]:
        seen.extend(paths)
        return []

    monkeypatch.setattr("hpoe.serving.files.image_files", image_files)
    run("predict", "a.png", "../b")
    run("predict", "/c.png")
    assert Path.cwd() == project
    found = [os.path.normpath(path) for path in seen]
    assert found == ["data/deep/a.png", "data/b", "/c.png"]


@pytest.mark.parametrize("command", ["models", "check", "serve", "rollback", "sync"])
def test_outside_any_project_a_command_says_so_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(command)
    assert done.exit_code == 1
    assert done.output.startswith(f"error: {tmp_path} is not in an hpoe project")
    assert list(tmp_path.iterdir()) == []


def test_outside_any_project_the_store_may_be_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run("models").output == "error: the tracking server http://127.0.0.1:9 does not answer\n"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("setting", ["HPOE_MNIST_DIR", "HPOE_USPS_DIR"])
def test_check_looks_for_the_data_that_a_setting_names(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(setting, "nowhere")
    done = run("check")
    assert done.exit_code == 1
    assert done.output.startswith(f"error: {setting} is nowhere, which lacks ")


@pytest.mark.usefixtures("project")
def test_check_refuses_an_address_that_no_store_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://x")
    assert "not the address of a tracking store" in run("check").output


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("option", "expected"), [("--follow", True), ("--no-follow", False)])
def test_following_can_be_turned_on_and_off_whatever_the_setting_says(
    monkeypatch: pytest.MonkeyPatch, option: str, expected: bool
) -> None:
    settings = []
    monkeypatch.setenv("HPOE_SERVE_FOLLOW", str(not expected))
    monkeypatch.setattr("hpoe.serving.server.serve", lambda given, _: settings.append(given))
    run("serve", option)
    assert settings[0].serve_follow is expected


# A project of a user's own.


@pytest.fixture
def own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `hpoe init` writes that a command looks at, for images in a folder that is there."""
    root, images = tmp_path / "symbols", tmp_path / "images"
    root.mkdir()
    images.mkdir()
    write_files(root, found(), str(images), copied=False)
    monkeypatch.chdir(root)
    return root


def test_a_folder_without_hpoes_sources_is_a_project(
    own_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_project / "deep").mkdir()
    monkeypatch.chdir(own_project / "deep")
    done = run("check")
    assert (done.exit_code, done.output) == (0, "")
    assert Path.cwd() == own_project


def test_check_looks_for_the_images_of_the_project_and_not_for_mnist(
    own_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPOE_MNIST_DIR", "nowhere")
    assert run("check").exit_code == 0
    (own_project.parent / "images").rmdir()
    done = run("check")
    assert done.exit_code == 1
    assert done.output.startswith(f"error: data.path is {own_project.parent}/images, which does")


def test_check_says_which_stages_are_of_another_version(own_project: Path) -> None:
    pipeline = own_project / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("      - data\n", ""))
    done = run("check")
    assert done.exit_code == 0
    assert done.output.startswith("warning: dvc.yaml describes split otherwise than hpoe")


@pytest.mark.usefixtures("own_project")
@pytest.mark.parametrize("command", ["replicate", "report"])
def test_the_papers_commands_belong_to_hpoes_own_repository(command: str) -> None:
    done = run(command)
    assert done.exit_code == 1
    assert "has no experiments of the paper: run this command in a clone of hpoe" in done.output
