"""Progress: what workers write is what is shown, and only where a terminal shows it."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from hpoe.compute.progress import Board, DigitProgress


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board.create(tmp_path / "state" / "progress", range(10))


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, _environ={})


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_new_board_begins_at_zero_with_a_number_per_class(tmp_path: Path) -> None:
    """However many classes there are."""
    for labels in ([3, 9], [0, 1000]):
        board = Board.create(tmp_path / "progress", labels)
        assert [board.epochs(label) for label in labels] == [0, 0]
        for label in labels:
            board.show(label, 17 + label)
        assert [board.epochs(label) for label in labels] == [17 + label for label in labels]


def test_a_terminal_shows_the_epochs_of_each_digit_as_they_are_written(board: Board) -> None:
    console = terminal()
    board.show(0, 30)
    with DigitProgress(console, board, [0, 7, 8], 30):
        board.show(7, 12)
    lines = shown(console).splitlines()
    for digit, epochs in ((0, "30/30"), (7, "12/30"), (8, "0/30")):
        assert any(f"digit {digit}" in line and epochs in line for line in lines)


def test_where_there_is_no_terminal_nothing_is_shown(board: Board) -> None:
    console = Console(file=io.StringIO(), force_terminal=False, _environ={})
    ran = False
    with DigitProgress(console, board, [0, 1], 30):
        ran = True
    assert ran
    assert shown(console) == ""
