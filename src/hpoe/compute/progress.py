"""Progress bars, shown where the output is a terminal."""

from collections.abc import Callable, Iterator, Sequence
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

MOST_BARS = 20
"""Classes that have bars of their own: a terminal has few more lines."""


class Board:
    """Epochs completed per class, in a small file that workers write and the stage reads.

    One memory-mapped int32 per class: showing progress costs a worker nothing and needs no queue.
    """

    def __init__(self, path: Path) -> None:
        self._epochs = np.memmap(path, np.int32, mode="r+")

    @classmethod
    def create(cls, path: Path, count: int) -> "Board":
        """A board of zeros for so many classes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(4 * count))
        return cls(path)

    def show(self, position: int, epochs: int) -> None:
        """Write the number of epochs a class has completed."""
        self._epochs[position] = epochs

    def epochs(self, position: int) -> int:
        """Return the number of epochs a class has completed."""
        return int(self._epochs[position])


class _RateColumn(ProgressColumn):
    """Epochs per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} epochs/s" if speed else "", style="progress.data.speed")


class ClassProgress(Progress):
    """One progress bar per class, or one for all of many, read from the board when it is drawn."""

    def __init__(self, console: Console, board: Board, labels: Sequence[str], epochs: int) -> None:
        """Make the bars of classes, in the order of the board, of so many epochs each."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [_RateColumn(), TimeRemainingColumn()]
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        groups: dict[str, Sequence[int]] = {
            f"class {label}": [at] for at, label in enumerate(labels)
        }
        if len(labels) > MOST_BARS:
            groups = {f"{len(labels)} classes": range(len(labels))}
        self._board = board
        self._bars = {
            self.add_task(name, start=False, total=epochs * len(positions)): positions
            for name, positions in groups.items()
        }

    def get_renderables(self) -> Iterator[Table]:
        """Yield the bars at the epochs that the board has now."""
        for bar, positions in getattr(self, "_bars", {}).items():
            epochs = sum(map(self._board.epochs, positions))
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
