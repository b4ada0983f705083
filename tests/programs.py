"""The programs that some tests start, and how a test is skipped where one is not installed."""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "chromium": "chromium",
    "envsubst": "gettext-base",
    "nginx": "nginx",
    "openssl": "openssl",
    "postgres": "postgresql",
}
"""The Debian package of each program."""
MISSING = "not installed, as Debian packages: "


def find(name: str) -> str | None:
    """Return a program's path; Debian keeps those of Postgres outside PATH."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"]))


def require(*names: str) -> None:
    """Skip the calling test unless these programs are installed."""
    packages = [PACKAGES[name] for name in names if find(name) is None]
    if packages:
        pytest.skip(MISSING + " ".join(packages))


def summary(reasons: list[str]) -> str:
    """Say in one line which packages were missing and how many tests that skipped."""
    missing = [reason.partition(MISSING)[2].split() for reason in reasons if MISSING in reason]
    if not missing:
        return "no Debian package was missing"
    names = " ".join(sorted({name for packages in missing for name in packages}))
    return f"{len(missing)} tests were skipped: apt-get install {names}"
