"""Labels of classes: any text, its natural order, and its name as a file."""

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote, unquote

MOST_BYTES = 64
"""In UTF-8; every byte takes at most three characters of a file's name."""


def clean(text: str) -> str:
    """Return a label's text: composed (NFC), without white space at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels in natural order: 2 before 10, upper and lower case together."""
    return sorted(labels, key=_natural)


def _natural(label: str) -> tuple[list[str | tuple[int, str]], str]:
    """Text and numbers alternate, so that text meets text and numbers meet numbers."""
    parts = re.split("([0-9]+)", label.casefold())
    numbers = (part.lstrip("0") for part in parts[1::2])
    key: list[str | tuple[int, str]] = list(parts)
    key[1::2] = [(len(number), number) for number in numbers]
    return key, label


def file_name(label: str) -> str:
    """Return a file's name for a label: ASCII letters, digits, `_`, `-` and `=` with two digits.

    It is percent-encoding with `=` for `%`, of dots, tildes and a leading dash too, so that it is
    no hidden file, no option and no part of a pattern.
    """
    name = quote(label, safe="").replace(".", "%2E").replace("~", "%7E")
    if name.startswith("-"):
        name = f"%2D{name[1:]}"
    return name.replace("%", "=")


def label_of(file_name: str) -> str:
    """Return the label that `file_name` has named."""
    return unquote(file_name.replace("=", "%"))


def tag_name(label: str) -> str:
    """Return a label as the end of an MLflow tag's key, in which `=` is not allowed."""
    return file_name(label).replace("=", ".")
