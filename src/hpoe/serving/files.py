"""Recognising image files from the command line, through the registered model."""

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from hpoe.errors import DataError
from hpoe.registration.packages import open_champion

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
Answers = dict[Path, dict[str, Any]]


def image_files(paths: Sequence[Path]) -> list[Path]:
    """List the given files, and the image files in the given folders by name.

    Raises:
        DataError: a path is not there, or there is no image among them.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        elif path.is_file():
            files.append(path)
        else:
            raise DataError(f"{path} is neither a file nor a folder: name an image")
    if not files:
        raise DataError(f"{paths[0]} holds no {', '.join(SUFFIXES)} file: name another folder")
    return files


def answers(tracking_uri: str, files: Sequence[Path]) -> Answers:
    """The champion's answers to image files.

    Raises:
        DataError: a file is not an image that the model accepts; the message names it.
        RegistryError: there is no champion, or it cannot be loaded.
    """
    found = {}
    with open_champion(tracking_uri) as champion:
        for file in files:
            text = base64.b64encode(file.read_bytes()).decode()
            (found[file],) = champion.submit("answers", [text]).result()
            if "error" in found[file]:
                raise DataError(f"{file}: {found[file]['error']}")
    return found


def answer_table(found: Answers) -> Table:
    """One row per image."""
    table = Table()
    table.add_column("image")
    for heading in ("digit", "probability", "typicality", "digit score"):
        table.add_column(heading, justify="right")
    table.add_column("looks like a digit")
    for file, answer in found.items():
        table.add_row(
            str(file),
            str(answer["digit"]),
            f"{answer['probability']:.1%}",
            f"{answer['typicality']:.0f}",
            f"{answer['digit_score']:.2f}",
            "yes" if answer["looks_like_digit"] else "no",
        )
    return table


def json_lines(found: Answers) -> Iterator[str]:
    """One JSON object per image: its file, then its answer."""
    return (json.dumps({"file": str(file), **answer}) for file, answer in found.items())
