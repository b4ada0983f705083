"""Processes that tests start, wait for, and end or kill."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psutil

SECONDS_TO_START = 240


def free_port() -> int:
    """Return a port on which nothing listens, below those that systems give to connections."""
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], bool], seconds: float = 120, pause: float = 0.02) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError):  # nothing answers yet
            if condition():
                return
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)


def alive_in_session(leader: int) -> list[psutil.Process]:
    """Return the processes of a session that have not ended."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextmanager
def at_work(*tasks: Callable[[Event], None]) -> Iterator[None]:
    """Run tasks at the same time until the block ends, then take their errors."""
    stop = Event()
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(task, stop) for task in tasks]
        try:
            yield
        finally:
            stop.set()
    for future in futures:
        future.result()


@dataclass
class Launched:
    """A process with a folder of its own, where its output is kept in `log`."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def launch(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready: Callable[[], bool],
        user: str | None = None,
    ) -> None:
        """Start it with no settings but those given, and wait until it is ready."""
        settings = ("MLFLOW_", "HPOE_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(settings)}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**kept, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                start_new_session=True,
            )
        started = self.process
        try:
            wait_until(lambda: started.poll() is not None or ready(), SECONDS_TO_START)
            assert started.poll() is None
        except AssertionError:
            raise AssertionError(f"{command} did not start: {self.log()[-3000:]}") from None

    def end(self) -> int:
        """Ask it to end, and wait; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """Kill it and all that it started; do nothing if it does not run."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.process.pid)
            family = [main, *main.children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            psutil.wait_procs(family[1:], timeout=30)
        self.process.wait(timeout=30)
        self.process = None

    def log(self) -> str:
        """Return what it printed, since its first start."""
        return (self.folder / "log").read_text(errors="replace")


@dataclass
class Service(Launched):
    """A process that can be killed and started again with the same command."""

    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.launch(self.command, self.environment, self.ready, self.user)
