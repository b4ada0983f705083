"""Progress: what workers write is what is shown, and only where a terminal shows it."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from hpoe.compute.progress import Board, ClassProgress


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board.create(tmp_path / "state" / "progress", 10)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, _environ={})


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_new_board_begins_at_zero_with_a_number_per_class(tmp_path: Path) -> None:
    """However many classes there are."""
    for count in (2, 1000):
        board, every = Board.create(tmp_path / "progress", count), range(count)
        assert [board.epochs(position) for position in every] == [0] * count
        for position in every:
            board.show(position, 17 + position)
        assert [board.epochs(position) for position in every] == [17 + at for at in every]


def test_a_terminal_shows_the_epochs_of_each_class_as_they_are_written(board: Board) -> None:
    console = terminal()
    board.show(0, 30)
    with ClassProgress(console, board, ["0", "seven", "8"], 30):
        board.show(1, 12)
    lines = shown(console).splitlines()
    for label, epochs in (("0", "30/30"), ("seven", "12/30"), ("8", "0/30")):
        assert any(f"class {label}" in line and epochs in line for line in lines)


def test_many_classes_share_one_bar(tmp_path: Path) -> None:
    console, board = terminal(), Board.create(tmp_path / "progress", 300)
    with ClassProgress(console, board, [*map(str, range(300))], 2):
        for position in range(150):
            board.show(position, 2)
    lines = shown(console).splitlines()
    assert any("300 classes" in line and "300/600" in line for line in lines)
    assert not any("class 1 " in line for line in lines)


def test_where_there_is_no_terminal_nothing_is_shown(board: Board) -> None:
    console = Console(file=io.StringIO(), force_terminal=False, _environ={})
    ran = False
    with ClassProgress(console, board, ["0", "1"], 30):
        ran = True
    assert ran
    assert shown(console) == ""
