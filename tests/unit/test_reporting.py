"""Errors on the terminal: one sentence for whatever fails, and a file with the rest."""

import importlib.util
import inspect
import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import requests
import torch
from alembic.util import CommandError
from dvc.exceptions import DvcException
from mlflow.exceptions import MlflowException
from PIL import UnidentifiedImageError
from safetensors import SafetensorError
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from hpoe import cli
from hpoe.cli import app
from hpoe.errors import HpoeError, TrackingError
from hpoe.project import creation
from hpoe.reporting import report_errors

ROOT = Path(__file__).parents[2]
ADDRESS = "postgresql://ada:Sesame-12345@127.0.0.1/x"
FAMILIES: dict[str, Exception] = {
    "mlflow failed: INTERNAL_ERROR": MlflowException(f"INTERNAL_ERROR {ADDRESS}\nat a, b"),
    "requests failed: no route": requests.ConnectionError(f"no route to {ADDRESS}"),
    "sqlalchemy failed: (builtins.": OperationalError("SELECT", {}, OSError(ADDRESS)),
    "alembic failed: no revision": CommandError(f"no revision\n{ADDRESS}"),
    "dvc failed: the cache is locked": DvcException(f"the cache is locked\n{ADDRESS}"),
    "postgresql://***@127.0.0.1/x' returned non-zero": subprocess.CalledProcessError(3, ADDRESS),
    "pyarrow failed: not a Parquet": pa.ArrowInvalid(f"not a Parquet file\n{ADDRESS}"),
    "PIL failed: cannot identify": UnidentifiedImageError("cannot identify image file"),
    "safetensors failed: header": SafetensorError("header too large"),
    "torch failed: CUDA": torch.cuda.OutOfMemoryError("CUDA out of memory"),
    "[/x].png: Permission denied": PermissionError(13, "Permission denied", "[/x].png"),
    "No space left": OSError(28, "No space left on device"),
    "this machine has not enough": MemoryError(),
    "'utf-8' codec can't decode byte 0xe9": UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "x"),
    "Expecting value: line 1": json.JSONDecodeError("Expecting value", "y", 0),
    "hpoe failed unexpectedly, perhaps by its own fault (KeyError: 'soft')": KeyError("soft"),
    "Broken pipe": BrokenPipeError(32, "Broken pipe"),
    "its own words": HpoeError("its own words"),
    "http://***@127.0.0.1 does not answer": TrackingError(
        "http://ada:Sesame-12345@127.0.0.1 does not answer"
    ),
}
ARGUMENTS = {
    "promote": ["1"],
    "checkout": ["x"],
    "predict": ["x"],
    "score": ["x", "y"],
    "init": ["x", "--images", "y"],
}
COMMANDS = sorted(str(command.callback.__name__) for command in app.registered_commands)  # type: ignore[union-attr]
"""The names of all commands' functions."""
STAGES = sorted(path.stem for path in (ROOT / "pipelines").glob("*.py"))
families = pytest.mark.parametrize("begins", FAMILIES)


def run_command(name: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Call a command, which meets an error before all else; its exit code and output."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "load_settings", fail)
    monkeypatch.setattr(creation, "create", fail)  # which needs no settings
    done = CliRunner().invoke(app, [name.replace("_", "-"), *ARGUMENTS.get(name, [])])
    assert isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def run_stage(name: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Call a stage's entry point, which meets an error when it starts."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "pipelines" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def fail(*_: object) -> None:
        raise error

    for start in {"stage", "load_params"} & vars(module).keys():
        monkeypatch.setattr(module, start, fail)
    arguments = ["linear" for _ in inspect.signature(module.main).parameters]
    with pytest.raises(SystemExit) as end:
        module.main(*arguments)
    return int(str(end.value)), ""


def check_report(code: int, output: str, begins: str, folder: Path) -> None:
    """Check an error's sentence, exit code and file; the file holds the traceback, no password."""
    assert code == 1
    assert output.startswith("error: ")
    assert begins in output
    assert output.count("\n") == 1
    files = list(folder.glob(".hpoe/errors/*.txt"))
    if isinstance(FAMILIES[begins], HpoeError):
        assert files == []
        return
    (file,) = files
    assert str(file.relative_to(folder)) in output
    details = file.read_text()
    assert "Traceback (most recent call last)" in details
    assert type(FAMILIES[begins]).__name__ in details
    assert "Sesame" not in details + output


@families
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_reports_each_family_of_errors_in_one_sentence(
    command: str,
    begins: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run_command(command, FAMILIES[begins], monkeypatch)
    check_report(code, output, begins, tmp_path)


@families
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_reports_each_family_of_errors_in_one_sentence(
    name: str,
    begins: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _ = run_stage(name, FAMILIES[begins], monkeypatch)
    check_report(code, capfd.readouterr().err, begins, tmp_path)


def test_details_go_elsewhere_where_the_state_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".hpoe").write_text("a file, where the folder should be")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    @report_errors
    def main() -> None:
        raise MemoryError

    with pytest.raises(SystemExit):
        main()
    (file,) = (tmp_path / "temporary").iterdir()
    assert capfd.readouterr().err == (
        f"error: this machine has not enough free memory; {file} has the details\n"
    )


ENDING = """
import sys, threading
from hpoe.project import creation
from hpoe.reporting import report_errors

def work():
    threading.main_thread().join()
    print("ending", flush=True)
    sys.stdin.read()

@report_errors
def main():
    threading.Thread(target=work).start()

main()
"""


def test_ctrl_c_stops_a_stage_that_is_ending_with_an_exit_code_that_stops_dvc(
    tmp_path: Path,
) -> None:
    """Its last thread is still at work when the entry point has returned."""
    script = tmp_path / "stage.py"
    script.write_text(ENDING)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "ending\n"
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    assert running.returncode == 130
    assert errors.startswith("stopped: ")
    assert errors.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """As `head -1` does."""
    script = tmp_path / "command.py"
    script.write_text(
        "import typer\nfrom hpoe.reporting import report_errors\n\n@report_errors\ndef main():\n"
        "    while True:\n        typer.echo('line')\n\nmain()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=pipe, stderr=pipe, text=True, cwd=tmp_path
    ) as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline() == "line\n"
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 1
