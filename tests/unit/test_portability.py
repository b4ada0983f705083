"""The library and the pipeline use nothing that macOS lacks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("pipelines/*.py")])
LINUX_ONLY = {
    r"[\"'](/proc|/sys|/dev/shm)\b": 'Path("/proc/cpuinfo")',
    r"\bos\.fork|\"fork\"": "child = os.fork()",
    r"\bprctl\b|\bctypes\b|pidfd|sched_[gs]etaffinity": "import ctypes",
    r"\bSO_(?!REUSEADDR\b|KEEPALIVE\b|ERROR\b)|TCP_(?!NODELAY\b)": "socket.SO_REUSEPORT",
    r"\bos\.(sendfile|memfd_create|eventfd|posix_fadvise|pipe2|splice)\b": "os.sendfile(out, 0)",
    r"\bepoll\b|\binotify\b|signalfd|SIGRTMIN|SIGPWR|sigtimedwait": "select.epoll()",
}
"""What to look for: kernel files, forks (which threads make unsafe), process control, socket
options, system calls, polling and signals; each with an example."""
ALLOWED = {
    # Where a container has no such file, its memory is not limited.
    'src/hpoe/compute/parallel.py: CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")',
}


@pytest.mark.parametrize("pattern", LINUX_ONLY)
def test_nothing_is_used_that_only_linux_has(pattern: str) -> None:
    assert re.search(pattern, LINUX_ONLY[pattern])
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(pattern, line)
    }
    assert found - ALLOWED == set()
