"""What a command says on the terminal: lines of progress, and errors as one sentence each."""

import os
import platform
import select
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec

from rich.console import Console
from rich.text import Text

from hpoe import __version__
from hpoe.errors import HpoeError
from hpoe.secrets import without_secrets
from hpoe.settings import load_settings

Arguments = ParamSpec("Arguments")
# Names of files, runs and networks are not markup.
console = Console(markup=False, highlight=False, soft_wrap=True)
stderr = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
STANDARD_OUTPUT = 1
LONGEST_REASON = 300
"""Characters of another program's message that are shown; the file has all of it."""


def say(text: str) -> None:
    """Print a line of plain text, without secrets."""
    console.print(without_secrets(text))


def report_errors(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make an entry point report every error in one sentence, with exit code 1.

    Errors of hpoe say all there is to say. The traceback of any other goes to a file, which the
    sentence names. Ctrl-C ends the process with exit code 130, whenever it is pressed.
    """

    @wraps(main)
    def reporting(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            main(*args, **kwargs)
        except HpoeError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            _stop()
        except Exception as error:
            if type(error).__module__.startswith("typer."):  # the end of a command
                raise
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                os._exit(1)
            _fail(f"{_reason(error)}; {_save_details(error)}")
        if main.__module__ == "__main__":  # DVC would take a stage that is ending for a success
            signal.signal(signal.SIGINT, _stop)

    return reporting


def say_error(message: str) -> None:
    """Print an error on the standard error stream, without secrets."""
    stderr.print(Text.assemble(("error:", "red"), f" {without_secrets(message)}"))


def _fail(message: str) -> NoReturn:
    say_error(message)
    sys.exit(1)


def _stop(*_: object) -> NoReturn:
    """End at once: the workers are gone, and what is on disk is whole."""
    stderr.print("stopped: run the same command again to continue from the last checkpoint")
    os._exit(130)


def _nobody_reads() -> bool:
    """Whether what reads this program's output has ended, as in `hpoe models | head -1`."""
    poll = select.poll()
    poll.register(STANDARD_OUTPUT, 0)
    return bool(poll.poll(0))


def _reason(error: Exception) -> str:
    """Say in a few words what failed: the system, another program, or else hpoe."""
    kind = type(error)
    program = kind.__module__.partition(".")[0]
    message = " ".join(str(error).split())[:LONGEST_REASON] or kind.__name__
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("hpoe"):
        return f"the package {error.name} is missing: run `pip install 'hpoe[pipeline,serve]'`"
    if isinstance(error, MemoryError):
        return "this machine has not enough free memory"
    if program not in sys.stdlib_module_names:
        return f"{program} failed: {message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    if program == "builtins" and not isinstance(error, (OSError, EOFError, UnicodeError)):
        return f"hpoe failed unexpectedly, perhaps by its own fault ({kind.__name__}: {message})"
    return message


def _save_details(error: Exception) -> str:
    """Write an error's traceback to a file; say where it is."""
    now = datetime.now().astimezone()
    head = f"{now.isoformat(timespec='seconds')} {shlex.join(sys.argv)}"
    versions = f"hpoe {__version__}, Python {platform.python_version()}, {platform.platform()}"
    lines = [head, versions, "", *traceback.format_exception(error)]
    details = without_secrets("\n".join(lines))
    for folder in (_state_folder() / "errors", Path(tempfile.gettempdir())):
        path = folder / f"{now:%Y-%m-%dT%H-%M-%S}-{os.getpid()}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(details, errors="backslashreplace")
        except OSError:
            continue
        return f"{path} has the details"
    return "the details could not be written to a file"


def _state_folder() -> Path:
    try:
        return load_settings().state_dir
    except HpoeError:
        return Path(".hpoe")
