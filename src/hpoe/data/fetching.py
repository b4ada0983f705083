"""Fetching the data sets that hpoe downloads: MNIST and USPS."""

from collections.abc import Callable
from pathlib import Path

from hpoe.data import mnist, usps
from hpoe.params import Source
from hpoe.settings import Settings

COLLECTIONS = {"mnist": mnist, "usps": usps}


def is_complete(source: Source, folder: Path) -> bool:
    """Whether a folder has all that is fetched of a source; nothing is of most."""
    return source not in COLLECTIONS or COLLECTIONS[source].is_complete(folder)


def fetch_source(
    source: Source, folder: Path, settings: Settings, say: Callable[[str], None]
) -> bool:
    """Put a source's verified files into a folder; return whether there are any to fetch.

    Raises:
        DataError: they cannot be had, or are damaged.
    """
    if source not in COLLECTIONS:
        return False
    COLLECTIONS[source].fetch(folder, getattr(settings, f"{source}_dir"), say)
    return True
