"""What kind of source a path is, and which columns of a table are which."""

from pathlib import Path

from hpoe.data.labelled import some
from hpoe.errors import DataError
from hpoe.params import Columns, Data, Source

LABELS = ("label", "labels", "class", "target", "category", "y")
IMAGES = ("image", "img", "picture", "file", "filename", "file_name", "path", "image_path")
GROUPS = ("group", "writer", "writer_id", "page", "device", "user")
"""Names that columns usually have, in lower case."""


def guess_source(path: Path) -> Source:
    """Guess what kind of source a path is, by its name and, for a folder, what is in it.

    Raises:
        DataError: it does not exist, or is none.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist")
    name = path.name.lower()
    if not path.is_dir():
        if name.endswith((".parquet", ".csv", ".csv.gz")):
            return "table"
        if name.endswith(".npz"):
            return "npz"
        raise DataError(
            f"{path} is no data set: give a folder of pictures, a folder of IDX files, a .parquet "
            "or .csv table, or an .npz file"
        )
    names = [each.name.lower() for each in path.iterdir() if each.is_file()]
    if any("idx3" in each for each in names):
        return "idx"
    has_folders = any(each.is_dir() and each.name[0] != "." for each in path.iterdir())
    is_table = any(each.endswith((".parquet", ".csv", ".csv.gz")) for each in names)
    return "table" if is_table and not has_folders else "folder"


def guess_columns(path: Path) -> Columns:
    """Guess which columns of a table are which, by their names.

    Raises:
        DataError: none has a usual name for labels.
    """
    from hpoe.data.table import column_names, tables_of

    names = column_names(tables_of(path)[0][1])
    lower = {name.lower(): name for name in reversed(names)}
    label, image, group = (
        next((lower[usual] for usual in words if usual in lower), None)
        for words in (LABELS, IMAGES, GROUPS)
    )
    if label is None:
        raise DataError(
            f"{path} has no column that is called {', '.join(LABELS[:-1])} or {LABELS[-1]}, but "
            f"{some(map(repr, names))}: rename the column of labels"
        )
    return Columns(image=image, label=label, group=group)


def guess(path: Path) -> Data:
    """Guess the source; its format is only a placeholder.

    Raises:
        DataError: the path is of no source.
    """
    source = guess_source(path)
    return Data(
        source=source,
        path=str(path),
        image_size=(28, 28),
        preparation="fit",
        skip_unreadable=False,
        columns=guess_columns(path) if source == "table" else None,
    )
