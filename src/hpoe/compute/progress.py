"""What a layer stage shows of its work: a live table in a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

MAX_DIGITS = 64


class Board:
    """Epochs completed by digit, in a small file that workers write and the stage reads.

    A memory-mapped int32 a digit: showing progress costs a worker nothing and needs no queue.
    """

    def __init__(self, path: Path) -> None:
        self._epochs = np.memmap(path, np.int32, mode="r+", shape=(MAX_DIGITS,))

    @classmethod
    def create(cls, path: Path) -> "Board":
        """A board of zeros."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(4 * MAX_DIGITS))
        return cls(path)

    def show(self, digit: int, epochs: int) -> None:
        """Write how many epochs a digit has completed."""
        self._epochs[digit] = epochs

    def epochs(self, digit: int) -> int:
        """How many epochs a digit has completed."""
        return int(self._epochs[digit])


class _RateColumn(ProgressColumn):
    """Epochs a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} epochs/s" if speed else "", style="progress.data.speed")


class _DigitProgress(Progress):
    """A progress bar a digit, read from the board whenever it is drawn."""

    def __init__(self, console: Console, board: Board, digits: Iterable[int], epochs: int) -> None:
        columns = [TextColumn("digit {task.description}"), BarColumn(), MofNCompleteColumn()]
        super().__init__(*columns, _RateColumn(), TimeRemainingColumn(), console=console)
        self._board = board
        self._bars = {
            digit: self.add_task(str(digit), start=False, total=epochs) for digit in digits
        }

    def get_renderables(self) -> Iterator[Table]:
        for digit, bar in getattr(self, "_bars", {}).items():
            self._draw(bar, self._board.epochs(digit))
        yield self.make_tasks_table(self.tasks)

    def _draw(self, bar: TaskID, epochs: int) -> None:
        if epochs and not self._tasks[bar].started:
            self.start_task(bar)
        self.update(bar, completed=epochs)


@contextmanager
def digit_progress(
    console: Console, board: Board, digits: Iterable[int], epochs: int
) -> Iterator[None]:
    """Show the epochs of each digit while the block runs; nothing where there is no terminal."""
    if not console.is_terminal:
        yield
        return
    with _DigitProgress(console, board, digits, epochs):
        yield


@contextmanager
def row_progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A function that shows how many of how many rows are done, on one line of a terminal."""
    columns = [BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rows", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
