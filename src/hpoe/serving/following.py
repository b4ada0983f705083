"""Serve whichever version is the champion: wait for the first, go over to each that follows.

The socket stays open all the while. The next champion's workers accept before those of the last are
told to end, and these answer what has reached them: no request is lost or refused in between.
"""

import shutil
import socket
import threading
from collections.abc import Callable
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp

import uvicorn

from hpoe.errors import ServingError, TrackingError
from hpoe.serving.champion import Champion, fetch_champion, find_champion, served
from hpoe.serving.waiting import Waiting
from hpoe.serving.workers import Workers, close_to_new, end_request
from hpoe.settings import Settings
from hpoe.tracking.mlflow_errors import first_line

SECONDS_BETWEEN_LOOKS = 2.0
"""How long after a promotion the registry may be asked for the champion."""
SECONDS_TO_STOP = 10.0
"""How long the end waits for a look at the registry, or a copy, that is under way."""


class Following:
    """A server that follows the alias `champion`."""

    def __init__(
        self,
        settings: Settings,
        config: Callable[[Champion], uvicorn.Config],
        listener: socket.socket,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        """Serve by the config of each champion, copies of which are kept in a folder."""
        self._settings = settings
        self._config = config
        self._listener = listener
        self._say = say
        self._waiting: Waiting | None = Waiting(listener)
        self._champion: Champion | None = None
        self._workers: Workers | None = None
        self._asked = end_request()
        self._news, tell = Pipe(duplex=False)
        self._ended = threading.Event()
        arguments = (settings, folder, tell, self._ended)
        self._watch = threading.Thread(target=_watch, args=arguments, daemon=True)
        self._watch.start()

    def run(self) -> None:
        """Follow until SIGTERM or Ctrl-C."""
        while not self._wait_for(self._news):
            if self._news.poll():
                news = self._news.recv()
                if isinstance(news, Champion):
                    self._go_over_to(news)
                elif self._waiting is not None:
                    self._wait_because(news)
        self._ended.set()
        close_to_new(self._listener)
        if self._waiting is not None:
            self._waiting.end()
        if self._workers is not None:
            self._workers.end()
        self._watch.join(SECONDS_TO_STOP)  # else it copies into a folder that is being removed

    def _wait_for(self, *events: Connection) -> bool:
        """Wait for an event, keeping the workers alive; whether the end was asked for."""
        sentinels = self._workers.sentinels if self._workers is not None else ()
        ready = connection.wait([self._asked, *events, *sentinels])
        if self._workers is not None:
            self._workers.replace_killed()
        return self._asked in ready

    def _go_over_to(self, champion: Champion) -> None:
        """Serve a champion; if it cannot be loaded, go on as before."""
        successors = Workers(self._config(champion), self._listener, self._settings.serve_workers)
        while (starting := successors.starting) and not self._asked.poll():
            self._wait_for(*starting)
        if successors.failed or self._asked.poll():
            successors.end()
            shutil.rmtree(champion.folder)
            self._wait_because(f"version {champion.version} cannot be served: the log says why")
            return
        last, workers = self._champion, self._workers
        self._champion, self._workers = champion, successors
        if self._waiting is not None:
            self._waiting.end()
            self._waiting = None
        self._say(served(champion, self._settings))
        if last is not None and workers is not None:
            workers.end()
            shutil.rmtree(last.folder)

    def _wait_because(self, reason: str) -> None:
        """Say why nothing is served, to who asks and, when it changes, in the terminal."""
        if self._waiting is not None and reason != self._waiting.reason:
            self._waiting.reason = reason
            self._say(f"waiting for a champion: {reason}")


def _watch(settings: Settings, folder: Path, tell: Connection, ended: threading.Event) -> None:
    """Tell of each new champion, with a copy of it, or why there is none, until the end."""
    version = ""
    while not ended.is_set():
        news: Champion | str | None = None
        try:
            if find_champion(settings.tracking_uri) != version:
                news = _copied(settings, folder)
                version = news.version
        except (ServingError, TrackingError) as error:
            news = str(error)
        except Exception as error:  # whatever a registry does, the next look may find it mended
            news = f"the champion cannot be fetched ({type(error).__name__}: {first_line(error)})"
        if news is not None and not ended.is_set():  # at the end nobody listens any more
            tell.send(news)
        ended.wait(SECONDS_BETWEEN_LOOKS)


def _copied(settings: Settings, folder: Path) -> Champion:
    """A copy of the champion in a new folder, or none.

    Never in one that was used before: the copy there may still be served, or just be removed.
    """
    place = Path(mkdtemp(prefix="champion-", dir=folder))
    try:
        return fetch_champion(settings.tracking_uri, place)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
