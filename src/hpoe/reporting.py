"""What a command says on the terminal: lines of progress, and errors as one sentence each."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from rich.console import Console
from rich.markup import escape

from hpoe.errors import HpoeError
from hpoe.secrets import without_secrets

Arguments = ParamSpec("Arguments")
console = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of plain text."""
    console.print(text, markup=False)


def report_errors(main: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make an entry point report a user's mistake in one sentence, with exit code 1."""

    @wraps(main)
    def reporting(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            main(*args, **kwargs)
        except HpoeError as error:
            stderr.print(f"[red]error:[/] {escape(without_secrets(str(error)))}")
            sys.exit(1)
        except BrokenPipeError as error:  # Typer would end the program without a message
            raise RuntimeError("the connection to a worker process of this stage broke") from error
        except KeyboardInterrupt:
            stderr.print("stopped: run the same command again to continue from the last checkpoint")
            os._exit(130)  # at once: the workers are gone, and what is on disk is whole

    return reporting
