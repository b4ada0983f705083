"""Recognising image files from the command line, through the registered model."""

import base64
import errno
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from hpoe.errors import DataError
from hpoe.registration.packages import open_champion
from hpoe_recognition.images import SUFFIXES

Answers = dict[Path, dict[str, Any]]


def image_files(paths: Sequence[Path]) -> list[Path]:
    """List the given files, and the files in the given folders that are named as images.

    Raises:
        DataError: there is no image among them.
    """
    suffixes = [suffix for each in SUFFIXES.values() for suffix in each]
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(each for each in path.iterdir() if each.suffix.lower() in suffixes)
        else:
            files.append(path)
    if not files:
        raise DataError(f"{paths[0]} holds no {', '.join(suffixes)} file: name another folder")
    return files


def answers(tracking_uri: str, files: Sequence[Path]) -> Answers:
    """The champion's answers to image files; where there is none, `error` says why.

    Raises:
        RegistryError: there is no champion, or it cannot be loaded.
    """
    found = {}
    with open_champion(tracking_uri) as champion:
        for file in files:
            try:
                text = _content(file)
            except OSError as error:
                found[file] = {"error": f"the file cannot be read ({error.strerror})"}
            else:
                (found[file],) = champion.submit("answers", [text]).result()
    return found


def _content(file: Path) -> str:
    """Read a file as base64; nothing else is read, such as a pipe, which might never end."""
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")
    return base64.b64encode(file.read_bytes()).decode()


def answer_table(found: Answers) -> Table:
    """One row per image."""
    table = Table()
    table.add_column("image")
    table.add_column("label")
    for heading in ("probability", "typicality", "known score"):
        table.add_column(heading, justify="right")
    table.add_column("known")
    for file, answer in found.items():
        if "error" in answer:
            continue
        table.add_row(
            _shown(file),
            answer["label"],
            f"{answer['probability']:.1%}",
            f"{answer['typicality']:.0f}",
            f"{answer['known_score']:.2f}",
            "yes" if answer["is_known"] else "no",
        )
    return table


def json_lines(found: Answers) -> Iterator[str]:
    """One JSON object per image: its file, then its answer."""
    return (json.dumps({"file": _shown(file), **answer}) for file, answer in found.items())


def error_lines(found: Answers) -> list[str]:
    """One sentence per file without an answer."""
    return [
        f"{_shown(file)}: {answer['error']}" for file, answer in found.items() if "error" in answer
    ]


def _shown(file: Path) -> str:
    """A file's name, with a replacement for bytes that are not text."""
    return os.fsencode(file).decode(errors="replace")
