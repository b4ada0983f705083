"""`hpoe init`: a whole project, or nothing and one sentence."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hpoe.cli import app
from hpoe.errors import ProjectError
from hpoe.project.code import code_digests
from hpoe.project.creation import create
from hpoe.project.versions import TEMPLATE, stage_warning

FILES = {
    *(".dvc", ".dvcignore", ".git", ".gitignore"),
    *("README.md", "code.json", "dvc.yaml", "params.yaml"),
}


@pytest.fixture(autouse=True)
def _user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home in which git knows a user, and a folder in no repository."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n  name = Ada\n  email = ada@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{role}_{what}", raising=False)
    monkeypatch.delenv("EMAIL", raising=False)
    monkeypatch.chdir(tmp_path)


def init(*arguments: object) -> Result:
    """Run the command in this process; its standard input is no terminal."""
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    return done.stdout


def every_file(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a folder, with their contents."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def test_a_project_is_a_git_and_dvc_repository_with_one_commit(
    tmp_path: Path, pictures: Path
) -> None:
    done = init("symbols", "--images", "pictures")
    assert done.exit_code == 0, done.output
    root = tmp_path / "symbols"
    assert {path.name for path in root.iterdir()} == FILES
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "--format=%an: %s") == "Ada: hpoe init\n"
    assert json.loads((root / "code.json").read_text()) == code_digests()
    assert f'path: "{pictures}"' in (root / "params.yaml").read_text()
    assert stage_warning(root / "dvc.yaml") is None
    assert "heart (12), star (12)" in done.output
    assert done.output.endswith(
        "symbols is ready: change to it (`cd symbols`) and run `dvc repro`\n"
    )


def test_what_is_printed_has_the_reason_of_each_choice(pictures: Path) -> None:
    printed = init("symbols", "--images", pictures).output
    for word in ("heart", "image_size", "preparation", "supervised_per_class", "because"):
        assert word in printed


def test_the_images_are_only_read(pictures: Path) -> None:
    before = list(every_file(pictures))
    init("symbols", "--images", pictures)
    init("copy", "--images", pictures, "--copy")
    assert list(every_file(pictures)) == before


def test_copied_images_are_in_the_project_and_dvc_tracks_them(
    tmp_path: Path, pictures: Path
) -> None:
    done = init("symbols", "--images", pictures, "--copy")
    assert done.exit_code == 0, done.output
    root = tmp_path / "symbols"
    assert list(every_file(root / "images")) == list(every_file(pictures))
    assert (root / "images.dvc").exists()
    assert "path: images\n" in (root / "params.yaml").read_text()
    assert git(root, "status", "--porcelain") == ""
    assert not git(root, "ls-files", "images").strip()


def test_a_table_whose_pictures_lie_beside_it_is_copied_only_with_them(
    tmp_path: Path, pictures: Path
) -> None:
    files = sorted(path.relative_to(pictures) for path in pictures.rglob("*.png"))
    lines = [f"{path},{path.parent.name}" for path in files]
    (pictures / "table.csv").write_text("\n".join(["image,label", *lines, ""]))
    done = init("symbols", "--images", pictures / "table.csv", "--copy")
    assert done.exit_code == 1
    assert "names pictures in other files, which --copy would leave behind" in done.output
    assert not (tmp_path / "symbols").exists()
    assert init("symbols", "--images", pictures / "table.csv").exit_code == 0


@pytest.mark.usefixtures("pictures")
def test_an_empty_folder_that_is_there_is_used_also_as_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "symbols").mkdir()
    monkeypatch.chdir(tmp_path / "symbols")
    assert init(".", "--images", "../pictures").exit_code == 0
    assert {path.name for path in Path.cwd().iterdir()} == FILES
    assert "name: symbols\n" in Path("params.yaml").read_text()


def test_where_git_knows_no_user_it_is_said_what_to_run(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "home/.gitconfig").write_text("[user]\n  useConfigOnly = true\n")
    done = init("symbols", "--images", pictures)
    assert done.exit_code == 0
    assert "git config --global user.name" in done.output.replace("\n", " ")
    root = tmp_path / "symbols"
    assert git(root, "log", "--format=%s") == ""
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    git(root, "commit", "--quiet", "--message", "hpoe init")
    assert git(root, "status", "--porcelain") == ""


# Refusals: one sentence, and everything as it was.


def refused(tmp_path: Path, *arguments: object) -> str:
    """The sentence of a command that changes nothing."""
    before = list(every_file(tmp_path)), sorted(map(str, tmp_path.rglob("*")))
    done = init(*arguments)
    assert done.exit_code == 1, done.output
    assert (list(every_file(tmp_path)), sorted(map(str, tmp_path.rglob("*")))) == before
    last = done.output.splitlines()[-1]
    assert last.startswith("error: ")
    assert done.output.count("error") == 1
    return last.removeprefix("error: ")


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "symbols").mkdir()
    (tmp_path / "symbols/thesis.txt").write_text("irreplaceable")
    assert "symbols is not empty" in refused(tmp_path, "symbols", "--images", pictures)


def test_a_second_init_is_refused(tmp_path: Path, pictures: Path) -> None:
    init("symbols", "--images", pictures)
    assert "symbols is not empty" in refused(tmp_path, "symbols", "--images", pictures)


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_file_in_the_place_of_the_folder_is_refused(
    tmp_path: Path, pictures: Path, make: object
) -> None:
    assert callable(make)
    make(tmp_path / "symbols")
    assert "symbols is a file" in refused(tmp_path, "symbols", "--images", pictures)


def test_a_folder_in_a_git_repository_is_refused(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "clone/deep").mkdir(parents=True)
    git(tmp_path / "clone", "init", "--quiet")
    sentence = refused(tmp_path, "clone/deep/new/symbols", "--images", pictures)
    assert f"inside the git repository {tmp_path}/clone: name a folder outside" in sentence


@pytest.mark.parametrize("folder", ["pictures", "pictures/heart/symbols", "pictures/symbols"])
def test_a_folder_among_the_images_is_refused(tmp_path: Path, pictures: Path, folder: str) -> None:
    (pictures / "heart/symbols").mkdir()
    sentence = refused(tmp_path, folder, "--images", pictures)
    assert "among the images" in sentence or "is not empty" in sentence


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "does not exist"),
        (lambda root: root.mkdir(), "has no subfolders"),
        (lambda root: root.write_text("x"), "is no data set"),
    ],
    ids=["missing", "empty", "a text file"],
)
def test_images_that_cannot_be_used_are_refused(tmp_path: Path, make: object, said: str) -> None:
    assert callable(make)
    make(tmp_path / "nothing")
    assert said in refused(tmp_path, "symbols", "--images", "nothing")


@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_fails_halfway_leaves_nothing(
    tmp_path: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    was_there: bool,
    error: type[BaseException] | BaseException,
) -> None:
    if was_there:
        (tmp_path / "symbols").mkdir()

    def fail(root: Path) -> bool:
        assert (root / "params.yaml").exists()
        raise error

    monkeypatch.setattr("hpoe.project.creation._commit", fail)
    expected = ProjectError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        create(Path("symbols"), pictures, copy=True, say=print)
    assert (tmp_path / "symbols").exists() == was_there
    assert not was_there or not list((tmp_path / "symbols").iterdir())


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "symbols could not be made: Permission denied" in refused(
        tmp_path, "symbols", "--images", pictures
    )


# A project of another version.


def test_a_stage_of_another_version_is_named(tmp_path: Path) -> None:
    text = TEMPLATE.read_text().replace("hpoe.pipelines.split", "hpoe.pipelines.cut")
    (tmp_path / "dvc.yaml").write_text(f"{text}\n  own:\n    cmd: echo\n")
    warning = stage_warning(tmp_path / "dvc.yaml")
    assert warning is not None
    assert "describes split otherwise than hpoe" in warning
    assert "own" not in warning
    assert str(TEMPLATE) in warning
