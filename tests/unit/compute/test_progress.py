"""Progress: what workers write is what is shown, and only where a terminal shows it."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from hpoe.compute.progress import MAX_DIGITS, Board, digit_progress


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board.create(tmp_path / "state" / "progress")


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, _environ={})


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_board_begins_at_zero_and_keeps_a_number_a_digit(board: Board) -> None:
    assert [board.epochs(digit) for digit in range(MAX_DIGITS)] == [0] * MAX_DIGITS
    board.show(3, 17)
    board.show(9, 500)
    board.show(3, 18)
    expected = [0] * MAX_DIGITS
    expected[3], expected[9] = 18, 500
    assert [board.epochs(digit) for digit in range(MAX_DIGITS)] == expected


def test_what_a_process_writes_another_reads(board: Board, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hpoe.compute.progress import Board;"
        "Board(Path(sys.argv[1])).show(7, 42)"
    )
    path = tmp_path / "state" / "progress"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert board.epochs(7) == 42
    assert Board(path).epochs(7) == 42


def test_a_new_board_forgets_the_old_one(board: Board, tmp_path: Path) -> None:
    board.show(1, 5)
    assert Board.create(tmp_path / "state" / "progress").epochs(1) == 0


def test_a_terminal_shows_the_epochs_of_each_digit(board: Board) -> None:
    console = terminal()
    board.show(0, 30)
    board.show(7, 12)
    with digit_progress(console, board, [0, 7, 8], 30):
        pass
    lines = shown(console).splitlines()
    for digit, epochs in ((0, "30/30"), (7, "12/30"), (8, "0/30")):
        assert any(f"digit {digit}" in line and epochs in line for line in lines)


def test_a_terminal_shows_what_was_written_since(board: Board) -> None:
    console = terminal()
    with digit_progress(console, board, [4], 30):
        board.show(4, 29)
    assert "29/30" in shown(console)


def test_where_there_is_no_terminal_nothing_is_shown(board: Board) -> None:
    console = Console(file=io.StringIO(), force_terminal=False, _environ={})
    ran = False
    with digit_progress(console, board, [0, 1], 30):
        ran = True
    assert ran
    assert shown(console) == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_errors_pass_through(board: Board, is_terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, _environ={})
    error = ValueError("x")
    with pytest.raises(ValueError, match="x") as caught, digit_progress(console, board, [0], 30):
        raise error
    assert caught.value is error
