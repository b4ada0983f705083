"""`hpoe init`: a git and DVC repository around a user's own labelled images."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hpoe import __version__
from hpoe.data.inspection import Findings, inspect, report
from hpoe.errors import DataError, GitError, ProjectError
from hpoe.files import write_bytes, write_json
from hpoe.params import LONGEST_NAME
from hpoe.project.code import CODE, code_digests
from hpoe.reporting import console
from hpoe.tracking.git import git

COPIED = "images"
"""Where the images are copied to, in the project; a file keeps its suffix."""
MANY = 500
"""Images per class from which more hidden units are worth their time.

USPS has some 730, and 500 units lower its validation error from 2.4 to 1.6 %.
"""
UNITS_OF_MANY, UNITS_OF_FEW = 500, 100
DVC_CONFIG = "[core]\n    analytics = false\n    check_update = false\n    autostage = false\n"
NAMES = {"gitignore": ".gitignore", "dvcignore": ".dvcignore", "pipeline.yaml": "dvc.yaml"}
"""Templates whose names would have an effect here: DVC looks for pipelines in all folders."""


def create(folder: Path, images: Path, *, copy: bool, say: Callable[[str], None]) -> None:
    """Look at the images, and make a project for them in a new folder, or nothing.

    Args:
        folder: of the project; it does not exist, or is empty.
        images: a folder or file of labelled images.
        copy: whether the images are copied into the project and tracked by DVC.
        say: reports what was found, what was chosen and what to do next.

    Raises:
        ProjectError: the place cannot be used, or DVC fails.
        DataError: the images cannot be used.
        GitError: git is not installed or fails.
    """
    root, source = _absolute(folder), _absolute(images)
    check_place(root, source)
    findings = inspect(source)
    console.print(report(findings))
    with _complete_or_absent(root):
        git("init", "--quiet", folder=root)
        _dvc(root, "init", "--quiet")
        write_bytes(root / ".dvc/config", DVC_CONFIG.encode())
        path = _copied(findings, source, root) if copy else str(source)
        write_files(root, findings, path, copied=copy)
        if copy:
            _dvc(root, "add", "--quiet", path)  # adds to the .gitignore that is there
        is_committed = _commit(root)
    if not is_committed:
        say(
            "git knows neither your name nor your e-mail address, so nothing is committed: run "
            "`git config --global user.name NAME` and `git config --global user.email ADDRESS`, "
            f"then in {folder} `git commit --message 'hpoe init'`"
        )
    say(f"{folder} is ready: change to it (`cd {shlex.quote(str(folder))}`) and run `dvc repro`")


def check_place(root: Path, source: Path) -> None:
    """Check that a project can be made in a folder; both paths are absolute.

    Raises:
        ProjectError: there is something already, the folder is among the images, or in a git
            repository, to which the project's own would be a foreign body.
    """
    if os.path.lexists(root) and not root.is_dir():
        raise ProjectError(f"{root} is a file: name a folder that does not exist yet")
    if root.is_dir() and any(root.iterdir()):
        raise ProjectError(f"{root} is not empty: name a folder that does not exist yet")
    if root == source or source in root.parents:
        raise ProjectError(
            f"{root} would be among the images in {source}: name a folder outside of it"
        )
    above = next(each for each in (root, *root.parents) if each.is_dir())
    with suppress(GitError):  # it says that there is none
        top = Path(os.fsdecode(git("rev-parse", "--show-toplevel", folder=above).rstrip(b"\n")))
        raise ProjectError(
            f"{root} would be inside the git repository {top}: name a folder outside of it, "
            "because a project is a repository of its own"
        )


def write_files(root: Path, findings: Findings, path: str, *, copied: bool) -> None:
    """Write the project's files, with the proposed values and a path of the data."""
    values = _values(root.name, findings, path)
    values |= {"copied": copied, "version": __version__}
    environment = Environment(
        loader=PackageLoader("hpoe.project"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    environment.filters["yaml"] = _yaml
    for name in environment.list_templates():
        text = environment.get_template(name).render(values)
        write_bytes(root / NAMES.get(name, name.removesuffix(".j2")), text.encode())
    write_json(root / CODE, code_digests())


def project_name(folder: str) -> str:
    """The name of a project in a folder: letters, digits and what MLflow takes between them."""
    return re.sub(r"[^\w.-]+", "-", folder).strip("-._")[:LONGEST_NAME] or "hpoe-project"


def _values(folder: str, findings: Findings, path: str) -> dict[str, Any]:
    """What the templates say of the data."""
    blocks = findings.proposal.blocks()
    typical = median(findings.classes.values())
    return {
        "name": project_name(folder),
        "found": findings,
        "data": blocks["data"] | {"path": path},
        "split": blocks["split"],
        "values": blocks["data"] | blocks["split"],
        "units": [UNITS_OF_MANY if typical >= MANY else UNITS_OF_FEW] * 3,
    }


def _yaml(value: object) -> str:
    """A value in YAML's flow style, which JSON is; text without quotes where it needs none."""
    plain = isinstance(value, str) and re.fullmatch(r"[a-z_]+", value) and value not in WORDS
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""What YAML does not read as text."""


def _absolute(path: Path) -> Path:
    """The path from the root, with links as they are."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - `resolve` follows links


@contextmanager
def _complete_or_absent(root: Path) -> Iterator[None]:
    """Make a folder, if it is not there; leave it as it was if the block fails."""
    was_there = root.is_dir()
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        for path in root.iterdir() if root.is_dir() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        if not was_there:
            with suppress(OSError):
                root.rmdir()
        if isinstance(error, OSError):
            reason = error.strerror or str(error)[:300]
            raise ProjectError(f"{root} could not be made: {reason}") from None
        raise


def _copied(findings: Findings, source: Path, root: Path) -> str:
    """Copy the images into a project, and return their path there.

    Raises:
        ProjectError: a table names pictures that would not be copied with it.
    """
    if source.is_dir():
        shutil.copytree(source, root / COPIED, ignore_dangling_symlinks=True)
        name = COPIED
    else:
        name = COPIED + (".csv.gz" if source.name.endswith(".csv.gz") else source.suffix)
        shutil.copy2(source, root / name)
        if findings.source == "table":
            _check_table(source, root / name)
    return name


def _check_table(source: Path, copy: Path) -> None:
    try:
        inspect(copy)
    except DataError:
        raise ProjectError(
            f"{source} names pictures in other files, which --copy would leave behind: give the "
            "folder that has the table and the pictures, or leave out --copy"
        ) from None


def _dvc(root: Path, *arguments: str) -> None:
    """Run DVC in a project.

    Raises:
        ProjectError: it fails.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())[:300]
        raise ProjectError(f"`dvc {' '.join(arguments)}` failed: {reason}")


def _commit(root: Path) -> bool:
    """Commit all files, unless git does not know who the user is; whether it was done."""
    git("add", "--all", folder=root)
    try:
        for role in ("AUTHOR", "COMMITTER"):
            git("var", f"GIT_{role}_IDENT", folder=root)
    except GitError:
        return False
    git("commit", "--quiet", "--message=hpoe init", folder=root)
    return True
