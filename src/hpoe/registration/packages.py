"""Registered versions, each loaded by worker processes of its own.

A package brings the recognition code that it was registered with. It is loaded in fresh
interpreters (`hpoe.registration.worker`), where the installed copy does not shadow that code. Only
these methods of the package are called there: `answers`, `explain`, `classes` and
`validation_labels` of `hpoe_recognition.pyfunc`.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from hpoe.errors import PackageError, WorkerError
from hpoe.registration.registry import Registry
from hpoe_recognition.answer import CONTRACT

WORKER = (sys.executable, "-P", "-m", "hpoe.registration.worker")
"""-P keeps modules in the current folder from shadowing installed ones."""


class Package:
    """A copy of a registered version, loaded by worker processes of one thread each.

    One thread here waits for each worker. A worker that dies is replaced, and its request is
    retried once.
    """

    def __init__(
        self, registry: Registry, version: int, workers: int, max_pixels: int | None = None
    ) -> None:
        """Copy the version and load it.

        Args:
            registry: has the version.
            version: its number.
            workers: number of processes.
            max_pixels: of an image that is read; by default as the version was registered.

        Raises:
            RegistryError: the version cannot be copied.
            PackageError: its answers are of another contract, it cannot be loaded, or does not
                answer its own example.
        """
        self.version, self.workers, self._name = version, workers, registry.name
        self._config = {} if max_pixels is None else {"max_pixels": max_pixels}
        self._copy = TemporaryDirectory(prefix="hpoe-package-", ignore_cleanup_errors=True)
        self._threads = ThreadPoolExecutor(workers, f"version-{version}")
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        try:
            self._folder = registry.fetch(version, Path(self._copy.name))
            check_contract(self._folder, self._name, version)
            starting = [self._threads.submit(self._add_worker) for _ in range(workers)]
            for each in starting:
                each.result()
        except BaseException:
            self.close()
            raise

    def submit(self, method: str, argument: Any) -> "Future[Any]":  # noqa: ANN401
        """Submit a request; requests are answered in turn, as workers become idle.

        The future raises PackageError if the package fails, WorkerError if two workers die while
        answering it.
        """
        return self._threads.submit(self._ask, method, argument)

    def ask(self, method: str, arguments: Iterable[Any]) -> list[Any]:
        """Return results in the order of the arguments, which the workers share."""
        return list(self._threads.map(partial(self._ask, method), arguments))

    def close(self) -> None:
        """Finish what was submitted, end the workers and remove the copy."""
        self._threads.shutdown()
        while True:
            try:
                self._idle.get_nowait().end()
            except Empty:
                break
        self._copy.cleanup()

    def _add_worker(self) -> None:
        self._idle.put(self._started())

    def _ask(self, method: str, argument: Any) -> Any:  # noqa: ANN401
        worker = self._idle.get()
        try:
            succeeded, result = worker.request(method, argument)
            if succeeded is None:
                worker.end()
                worker = self._started()
                succeeded, result = worker.request(method, argument)
        finally:
            self._idle.put(worker)
        if succeeded is None:
            raise WorkerError(
                f"two worker processes of version {self.version} of {self._name} were killed while "
                "answering the same request, most often for lack of memory: set fewer workers"
            )
        if not succeeded:
            error, trace = result
            raise PackageError(
                f"version {self.version} of {self._name} failed ({error})"
            ) from RuntimeError(trace)
        return result

    def _started(self) -> "_Worker":
        worker = _Worker(self._folder, self._config)
        loaded, result = worker.receive()
        if not loaded:
            worker.end()
            reason = "its process was killed" if result is None else result[0]
            raise PackageError(
                f"{self._name} version {self.version} cannot be loaded ({reason}): `hpoe rollback` "
                "restores the previous champion"
            )
        return worker


def check_contract(folder: Path, name: str, version: int) -> None:
    """Refuse a package whose answers have other fields than those that hpoe reads."""
    from mlflow.models import Model

    try:
        contract = int((Model.load(str(folder)).metadata or {}).get("contract", 1))
    except Exception:  # of many kinds, in a damaged package: loading it will say what is wrong
        return
    if contract != CONTRACT:
        remedy = (
            "run `dvc repro`, or `hpoe sync` where that has been done, to register it again"
            if contract < CONTRACT
            else "update hpoe"
        )
        raise PackageError(
            f"{name} version {version} was registered by another version of hpoe: its answers are "
            f"of contract {contract}, and this hpoe serves contract {CONTRACT}; {remedy}"
        )


class _Worker:
    """A process that answers one request at a time.

    It exits when its connection closes, also if this process is killed.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            command = [*WORKER, str(theirs.fileno()), str(folder), json.dumps(config)]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def request(self, method: str, argument: Any) -> tuple[bool | None, Any]:  # noqa: ANN401
        """Return whether it succeeded, and the result or error; None if the process died."""
        try:
            self._connection.send((method, argument))
        except OSError:
            return None, None
        return self.receive()

    def receive(self) -> tuple[bool | None, Any]:
        """Receive the process's next message."""
        try:
            succeeded, result = self._connection.recv()
        except (EOFError, OSError):
            return None, None
        return succeeded, result

    def end(self) -> None:
        """Let the process end, and wait until it has."""
        self._connection.close()
        self._process.wait()


@contextmanager
def open_champion(configured_uri: str, workers: int = 1) -> Iterator[Package]:
    """Load the champion in processes that end with the block.

    Raises:
        RegistryError: there is no champion, it cannot be copied, or it cannot be loaded.
        TrackingError: the registry cannot be used.
    """
    registry = Registry(configured_uri)
    with closing(Package(registry, registry.need_champion(), workers)) as package:
        yield package
