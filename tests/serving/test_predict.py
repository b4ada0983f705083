"""`hpoe predict`: an answer or an error for each file, and an exit code that says which."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one image, and everything else that may be named as one."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("L", (28, 28)).save(folder / "[b].png")
    shutil.copy(folder / "[b].png", os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    (folder / "empty.png").touch()
    (folder / "folder.png").mkdir()
    (folder / "gone.png").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.png")
    (folder / "text.jpg").write_text("a seven")
    (folder / "notes.txt").write_text("not named as an image")
    return folder


def predict(folder: Path, uri: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the folder of the pictures."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("hpoe")), "predict", *arguments],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_each_file_of_a_folder_gets_an_answer_or_an_error(pictures: Path, registry: str) -> None:
    done = predict(pictures, registry, "--json", ".")
    assert done.returncode == 1
    lines = {line["file"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert len(lines) == 7
    assert {name for name in lines if "label" in lines[name]} == {"[b].png", "caf\ufffd.png"}
    errors = done.stderr.splitlines()
    assert len(errors) == 5
    assert all(line.startswith("error: ") for line in errors)
    assert "error: gone.png: the file cannot be read (No such file or directory)" in errors
    assert "error: pipe.png: the file cannot be read (it is no regular file)" in errors


def test_names_of_files_are_not_markup(pictures: Path, registry: str) -> None:
    done = predict(pictures, registry, "[b].png", "[/x].png")
    assert done.returncode == 1
    assert "[b].png" in done.stdout
    assert done.stderr == "error: [/x].png: the file cannot be read (No such file or directory)\n"
