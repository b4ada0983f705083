"""Tables of what the tests saw; `python -m tests.stack.tables` puts them into docs/operations.md.

STACK_TABLES names a folder to which each table goes as CSV; without it nothing is written.
"""

import csv
import os
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path("docs/operations")
DOCUMENT = Path("docs/operations.md")


class Table:
    """A table to which a row is added as a test sees it."""

    def __init__(self, name: str, *columns: str) -> None:
        """Name it and its columns; the file is begun anew with the first row."""
        self._name, self._columns, self._begun = name, columns, False

    def __call__(self, *cells: object) -> None:
        """Add a row."""
        folder = os.environ.get("STACK_TABLES")
        if folder is None:
            return
        path = Path(folder) / f"{self._name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if self._begun else "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not self._begun:
                writer.writerow(self._columns)
            writer.writerow(_text(cell) for cell in cells)
        self._begun = True


def _text(cell: object) -> str:
    if isinstance(cell, Counter):
        return ", ".join(f"{key}: {count}" for key, count in sorted(cell.items()))
    return str(cell)


def render(text: str, name: str, rows: list[list[str]]) -> str:
    """A document with a table between its two comments, `<!-- NAME -->` and `<!-- /NAME -->`."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{DOCUMENT} has no {start} ... {end}")
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in (escaped[0], ["---"] * len(rows[0]), *escaped[1:])]
    return "\n".join([before + start, *dict.fromkeys(lines), end + after])


def main() -> None:
    """Write the kept tables into the document."""
    text = DOCUMENT.read_text()
    for path in sorted(FOLDER.glob("*.csv")):
        with path.open(newline="") as file:
            text = render(text, path.stem, list(csv.reader(file)))
    DOCUMENT.write_text(text)
    sys.stdout.write(f"{DOCUMENT}: tables of {FOLDER}\n")


if __name__ == "__main__":
    main()
