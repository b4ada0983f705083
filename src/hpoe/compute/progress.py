"""Progress bars, shown where the output is a terminal."""

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
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


class Board:
    """Epochs completed per class, in a small file that workers write and the stage reads.

    One memory-mapped int32 per label: showing progress costs a worker nothing and needs no queue.
    """

    def __init__(self, path: Path) -> None:
        self._epochs = np.memmap(path, np.int32, mode="r+")

    @classmethod
    def create(cls, path: Path, labels: Iterable[int]) -> "Board":
        """A board of zeros for these labels."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(4 * (max(labels) + 1)))
        return cls(path)

    def show(self, label: int, epochs: int) -> None:
        """Write the number of epochs a class has completed."""
        self._epochs[label] = epochs

    def epochs(self, label: int) -> int:
        """Return the number of epochs a class has completed."""
        return int(self._epochs[label])


class _RateColumn(ProgressColumn):
    """Epochs per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} epochs/s" if speed else "", style="progress.data.speed")


class DigitProgress(Progress):
    """One progress bar per digit, read from the board whenever it is drawn on a terminal."""

    def __init__(self, console: Console, board: Board, digits: Iterable[int], epochs: int) -> None:
        columns = [TextColumn("digit {task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [_RateColumn(), TimeRemainingColumn()]
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._board = board
        self._bars = {
            digit: self.add_task(str(digit), start=False, total=epochs) for digit in digits
        }

    def get_renderables(self) -> Iterator[Table]:
        """Yield the bars at the epochs that the board has now."""
        for digit, bar in getattr(self, "_bars", {}).items():
            epochs = self._board.epochs(digit)
            if epochs:
                self.start_task(bar)  # once; later calls change nothing
            self.update(bar, completed=epochs)
        yield self.make_tasks_table(self.tasks)


@contextmanager
def row_progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show how many rows are done; yields a function of the numbers of rows done and in total."""
    columns = [BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rows", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
