"""Name and vendor of this machine's processor: rounding in matrix products depends on it."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Processor:
    """A processor as its operating system describes it."""

    name: str
    vendor: str


@cache
def processor() -> Processor:
    """The name and vendor of this machine's processor, on Linux (lscpu) and macOS (sysctl)."""
    if platform.system() == "Darwin":
        name, vendor = (
            _run("sysctl", "-n", f"machdep.cpu.{key}") for key in ("brand_string", "vendor")
        )
    else:
        lines = (line.partition(":") for line in _run("lscpu").splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
        name, vendor = fields.get("Model name", ""), fields.get("Vendor ID", "")
    return Processor(name.strip() or platform.machine(), vendor.strip())


def _run(program: str, *arguments: str) -> str:
    """Return the output of a system program; empty if it is missing or fails."""
    path = shutil.which(program, path=f"{os.defpath}:/usr/sbin:/sbin")  # whatever PATH is
    if path is None:
        return ""
    command, environment = [path, *arguments], {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout
