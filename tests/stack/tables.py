"""The table of faults in docs/operations.md: `python -m tests.stack.tables` writes it there.

STACK_TABLES names a folder to which the tests add their rows; without it nothing is written.
"""

import csv
import os
import sys
from functools import cache
from pathlib import Path

KEPT = Path("docs/operations/faults.csv")
DOCUMENT = Path("docs/operations.md")
COLUMNS = ("fault", "seconds", "points", "what happened")


def add_row(fault: str, seconds: object, points: object, what_happened: str) -> None:
    """Add a row to the table of this run of the tests."""
    if folder := os.environ.get("STACK_TABLES"):
        with _new_table(Path(folder) / KEPT.name).open("a", newline="") as file:
            row = (fault, f"{seconds:g}" if isinstance(seconds, float) else seconds, points)
            csv.writer(file, lineterminator="\n").writerow([*row, what_happened])


@cache
def _new_table(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(",".join(COLUMNS) + "\n")
    return path


def main() -> None:
    """Write the kept table into the document, between its two comments."""
    with KEPT.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
    before, start, rest = DOCUMENT.read_text().partition("<!-- faults -->")
    _, end, after = rest.partition("<!-- /faults -->")
    if not end:
        raise ValueError(f"{DOCUMENT} has no <!-- faults --> ... <!-- /faults -->")
    DOCUMENT.write_text("\n".join([before + start, *lines, end + after]))
    sys.stdout.write(f"{DOCUMENT}: table of {KEPT}\n")


if __name__ == "__main__":
    main()
