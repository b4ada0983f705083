"""Labels of classes: text, in natural order, and as names of files.

A label is any text of at most MOST_BYTES bytes in UTF-8; MNIST's are "0" to "9".
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

MOST_BYTES = 64
"""Encoded, such a label is at most 192 characters long, which leaves room in a file's name."""


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels in natural order: 2 before 10, and b after A."""
    return sorted(labels, key=_natural)


def file_name(label: str) -> str:
    """Encode a label as a name that every file system and URL takes; `label_of` decodes it.

    Percent-encoded, with = in place of %, which DVC and MLflow would decode in places.
    """
    return quote(label, safe="").replace(".", "%2E").replace("~", "%7E").replace("%", "=")


def label_of(name: str) -> str:
    """Return the label that `file_name` encoded."""
    return unquote(name.replace("=", "%"))


def tag_name(label: str) -> str:
    """Encode a label for the key of an MLflow tag, in which = is not allowed."""
    return file_name(label).replace("=", ".")


def _natural(label: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = re.split("([0-9]+)", label.casefold())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p], label
