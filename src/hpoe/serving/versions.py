"""The version that is served, and how the next champion takes its place."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Any

from hpoe.errors import HpoeError, PackageError, RequestError
from hpoe.registration.packages import Package
from hpoe.registration.registry import NAME, existing_registry
from hpoe.settings import Settings
from hpoe.tracking.mlflow_errors import first_line

SECONDS_BETWEEN_LOOKS = 2.0
"""How long after a promotion the registry may be asked for the champion."""


class Versions:
    """One version at a time; a swap loses no request, as the version before finishes its own."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """Serve nothing yet.

        Args:
            settings: of the server.
            say: reports in the terminal.
        """
        self._settings = settings
        self._say = say
        self._swap = Lock()
        self._served: Package | None = None
        self._rejected: int | None = None
        self._reason = "the registry has not been asked for a champion yet"
        self._ended = Event()

    def submit(self, method: str, arguments: Sequence[Any]) -> "tuple[int, list[Future[Any]]]":
        """Ask the version that is served; its number, and one future per argument.

        Raises:
            RequestError: there is none yet.
        """
        with self._swap:
            package = self.need_served()
            return package.version, [package.submit(method, each) for each in arguments]

    def need_served(self) -> Package:
        """The version that is served.

        Raises:
            RequestError: none is served yet.
        """
        if self._served is None:
            raise RequestError(503, self._reason)
        return self._served

    def serve_champion(self) -> None:
        """Load the champion if it is another than the one served, and serve it.

        Raises:
            HpoeError: there is none, or it cannot be loaded: what is served stays.
        """
        registry = existing_registry(self._settings.tracking_uri)
        version = registry.need_champion()
        last = self._served
        if version == self._rejected or (last is not None and version == last.version):
            return
        self._rejected = None
        settings = self._settings
        try:
            package = Package(registry, version, settings.serve_workers, settings.serve_max_pixels)
        except PackageError:
            self._rejected = version  # what cannot be loaded is not loaded every two seconds
            raise
        with self._swap:
            self._served = package
        address = f"http://{settings.serve_host}:{settings.serve_port}"
        self._say(f"{NAME} version {version} is served at {address}; Ctrl-C ends it")
        if last is not None:
            last.close()

    def follow(self) -> None:
        """Serve each next champion, in a thread that ends with this process."""
        Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """Serve nothing more."""
        self._ended.set()
        if self._served is not None:
            self._served.close()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self.serve_champion()
            except PackageError as error:
                self._report(str(error))
            except HpoeError as error:
                self._wait_because(str(error))
            except Exception as error:  # whatever a registry does, the next look may find it mended
                reason = f"{type(error).__name__}: {first_line(error)}"
                self._wait_because(f"the champion cannot be fetched ({reason})")
            self._ended.wait(SECONDS_BETWEEN_LOOKS)

    def _report(self, reason: str) -> None:
        """Say why a champion is not served."""
        if self._served is None:
            self._wait_because(reason)
        else:
            self._say(f"{reason}; version {self._served.version} is served as before")

    def _wait_because(self, reason: str) -> None:
        """Say why nothing is served, to who asks and, when the reason changes, in the terminal."""
        if self._served is None and reason != self._reason:
            self._reason = reason
            self._say(f"waiting for a champion: {reason}")
