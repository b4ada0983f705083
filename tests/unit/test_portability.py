"""The library and the pipeline use nothing that macOS lacks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("pipelines/*.py")])
LINUX_ONLY = {
    "files of Linux's kernel": r"[\"'](/proc|/sys|/dev/shm)\b",
    "forks, which threads make unsafe": r"\bos\.fork|\"fork\"",
    "process control": r"\bprctl\b|\bctypes\b|pidfd|sched_[gs]etaffinity",
    "socket options": r"\bSO_(?!REUSEADDR\b|KEEPALIVE\b|ERROR\b)|TCP_(?!NODELAY\b)",
    "system calls": r"\bos\.(sendfile|memfd_create|eventfd|posix_fadvise|pipe2|splice)\b",
    "polling and signals": r"\bepoll\b|\binotify\b|signalfd|SIGRTMIN|SIGPWR|sigtimedwait",
}
ALLOWED = {
    # Where a container has no such file, its memory is not limited.
    'src/hpoe/compute/parallel.py: CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")',
}


@pytest.mark.parametrize("kind", LINUX_ONLY)
def test_nothing_is_used_that_only_linux_has(kind: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(LINUX_ONLY[kind], line)
    }
    assert found - ALLOWED == set()


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("files of Linux's kernel", 'Path("/proc/cpuinfo")'),
        ("forks, which threads make unsafe", "child = os.fork()"),
        ("process control", "import ctypes"),
        ("socket options", "listener.setsockopt(SOL_SOCKET, socket.SO_REUSEPORT, 1)"),
        ("system calls", "os.sendfile(out, source, 0, size)"),
        ("polling and signals", "select.epoll()"),
    ],
)
def test_the_scan_finds_each_kind(kind: str, line: str) -> None:
    assert re.search(LINUX_ONLY[kind], line)
