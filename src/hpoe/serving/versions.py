"""The version that is served, and how the next champion takes its place."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Event, Lock, Thread
from typing import Any

from hpoe.errors import HpoeError, PackageError, RegistryError, RequestError
from hpoe.registration.packages import Package
from hpoe.registration.registry import Registry
from hpoe.settings import Settings
from hpoe.tracking.mlflow_errors import first_line

SECONDS_BETWEEN_LOOKS = 2.0
"""Interval at which the registry is asked for the champion."""


class Versions:
    """The version that is served; at a swap the old one finishes the requests it has."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """Start without a version.

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
        """Load and serve the champion, unless it is being served already.

        Raises:
            HpoeError: there is none, or it cannot be loaded: what is served stays.
        """
        registry = Registry(self._settings.tracking_uri)
        version = registry.need_champion()
        last = self._served
        if last is not None and version == last.version:
            self._rejected = None  # should it be promoted again, it is tried again
            return
        if version == self._rejected:
            return
        settings = self._settings
        try:
            package = Package(registry, version, settings.serve_workers, settings.serve_max_pixels)
        except PackageError:
            self._rejected = version  # not tried again every two seconds
            raise
        with self._swap:
            self._served, self._rejected = package, None
        self._say(
            f"{registry.name} version {version} is served at {settings.serve_url}; Ctrl-C ends it"
        )
        if last is not None:
            last.close()

    def follow(self) -> None:
        """Serve each next champion, in a thread that ends with this process."""
        Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._ended.set()
        if self._served is not None:
            self._served.close()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self.serve_champion()
            except HpoeError as error:
                self._say_why(error)
            except Exception as error:  # whatever fails there may work at the next attempt
                reason = f"{type(error).__name__}: {first_line(error)}"
                self._say_why(RegistryError(f"the champion cannot be fetched ({reason})"))
            self._ended.wait(SECONDS_BETWEEN_LOOKS)

    def _say_why(self, error: HpoeError) -> None:
        """Report why the champion is not served: to clients, and in the terminal if it changes."""
        if self._served is None:
            if str(error) != self._reason:
                self._reason = str(error)
                self._say(f"waiting for a champion: {error}")
        elif isinstance(error, PackageError):
            self._say(f"{error}; version {self._served.version} is served as before")
