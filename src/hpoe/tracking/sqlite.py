"""SQLite tracking stores: the database's file, and the artifacts, which lie beside it.

MLflow records where artifacts are by absolute paths, and has no function that changes them. So a
store that is moved or copied is mended here, in its tables.
"""

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from hpoe.errors import TrackingError, UnreachableError

SECONDS_TO_WAIT = 20
"""For another process that writes to the database."""
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's tables that hold places of artifacts."""


def sqlite_uri(database: Path) -> str:
    """The address of a SQLite store, whatever characters its path has."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(database.resolve())).render_as_string()


def database_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for other stores."""
    from sqlalchemy import make_url

    name = make_url(uri).database if uri.startswith("sqlite") else None
    return Path(name).absolute() if name else None


def artifacts_folder(database: Path) -> Path:
    """Where the artifacts of a SQLite store are."""
    return database.parent / "artifacts"


@contextmanager
def opening(database: Path) -> Iterator[None]:
    """Prepare a store for MLflow, which opens it in the block.

    A store that was moved finds its artifacts again. Other processes wait: MLflow fails where two
    create the same tables. What cannot be opened is told at once: MLflow would try for 100 seconds.
    One of an older MLflow is not opened: MLflow would upgrade some without a copy.

    Args:
        database: the file, which need not exist.

    Raises:
        UnreachableError: another process keeps the database locked.
        TrackingError: the file cannot be opened or created, or is not a database.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        is_ours = os.access(database.parent, os.W_OK) or not database.exists()
        with FileLock(f"{database}.lock") if is_ours else nullcontext():
            _relocate(database)
            yield
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise UnreachableError(f"the tracking store {database} is locked") from None
        raise TrackingError(
            f"the tracking store {database} cannot be used ({error}): make it a file that can be "
            "written, or set MLFLOW_TRACKING_URI to another store"
        ) from None


def _relocate(database: Path) -> None:
    """Replace the recorded place of the artifacts by the present one, beside the database."""
    with closing(sqlite3.connect(database, SECONDS_TO_WAIT)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "experiments" not in tables:
            return
        _check_schema(database, connection)
        query = "SELECT DISTINCT artifact_location FROM experiments"
        for (old,) in connection.execute(query).fetchall():
            if _was_moved(old, database):
                with connection:
                    _replace(connection, tables, old, artifacts_folder(database).as_uri())


def _check_schema(database: Path, connection: sqlite3.Connection) -> None:
    # No public function of MLflow tells the revision without upgrading or failing first.
    from mlflow.store.db.utils import _get_latest_schema_revision
    from mlflow.version import VERSION

    found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if found and found != [(_get_latest_schema_revision(),)]:
        copy = shlex.join(["cp", str(database), f"{database}.backup"])
        upgrade = shlex.join(["mlflow", "db", "upgrade", sqlite_uri(database)])
        raise TrackingError(
            f"the tracking store {database} has the tables of another version of MLflow than "
            f"{VERSION}: copy it (`{copy}`), then run `{upgrade}`"
        )


def _was_moved(location: str, database: Path) -> bool:
    """Whether artifacts that are recorded at a location were moved or copied with the database."""
    recorded, folder = Path(unquote(urlsplit(location).path)), artifacts_folder(database)
    if not location.startswith(("file:", "/")) or recorded.name != folder.name:
        return False
    is_anothers = folder.exists() and (recorded.parent / database.name).exists()
    return recorded != folder and (is_anothers or not recorded.exists())


def _replace(connection: sqlite3.Connection, tables: set[str], old: str, new: str) -> None:
    for table, column in LOCATIONS:
        if table in tables:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - constants
                f"WHERE substr({column}, 1, ?) = ?",
                [new, len(old) + 1, len(old), old],
            )
