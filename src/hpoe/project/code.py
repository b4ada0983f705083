"""The stage `code` of a project: a digest per stage of the installed files that decide its results.

The stages of a project depend on these digests as they depend on params, so that `dvc repro` runs
what a new version of hpoe changes and nothing else. DVC cannot depend on the installed files
themselves: their paths are those of one environment, and Python writes its own files beside them.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from hpoe.errors import DataError
from hpoe.files import digest, write_json
from hpoe.reporting import report_errors
from hpoe.settings import load_settings

CODE = Path("code.json")
"""The digests, in a project; git has the file, and `hpoe checkout` brings back that of a run."""
SOURCES = Path(__file__).with_name("sources.json")
"""The files and folders that each stage of a project depends on, as dvc.yaml of hpoe lists them."""
INSTALLED = Path(__file__).parents[2]
"""The folder from which hpoe is imported."""


def code_digests(installed: Path = INSTALLED) -> dict[str, str]:
    """The digest of each stage's code, by the stage's name.

    Raises:
        DataError: a file of hpoe is missing.
    """
    sources: dict[str, list[str]] = json.loads(SOURCES.read_text())
    known: dict[Path, str] = {}
    return {stage: _digest(names, installed, known) for stage, names in sources.items()}


@report_errors
def main() -> None:
    """Write the digests; those that `hpoe checkout` has restored of a run stay."""
    if not (load_settings().restore_only and CODE.exists()):
        write_json(CODE, code_digests())


def _digest(names: list[str], installed: Path, known: dict[Path, str]) -> str:
    """Digest of the names and contents of files, whose own digests are kept in `known`."""
    parts = []
    for path in (file for name in names for file in _files(installed / name)):
        known[path] = known.get(path) or digest(path)
        parts.append(f"{path.relative_to(installed).as_posix()} {known[path]}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """The file, or the files of the folder, without those that Python writes."""
    if path.is_dir():
        yield from sorted(
            file for file in path.rglob("*") if file.is_file() and file.parent.name != "__pycache__"
        )
    elif path.is_file():
        yield path
    else:
        raise DataError(f"{path} is missing: install hpoe again")


if __name__ == "__main__":
    main()
