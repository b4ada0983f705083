"""Run the server: one process, or several that share its socket."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from hpoe.errors import ServingError
from hpoe.serving.champion import Champion, fetch_champion, load_champion, served
from hpoe.serving.draining import DrainingServer, server_config
from hpoe.serving.following import Following
from hpoe.serving.workers import FOLDER, keep_alive
from hpoe.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""How long a connection may be idle: longer than proxies wait, so that they close it, not we."""
GRACE_SECONDS = 60
"""How long requests in flight may take after the end was asked for: as long as MLflow lets one."""


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve the champion until SIGTERM or Ctrl-C; then answer what was sent, and return.

    Raises:
        ServingError: the address is taken; or, unless champions are followed, there is none, or it
            cannot be loaded.
        TrackingError: the registry cannot be used; not raised where champions are followed.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    # A copy that hangs is left to itself at the end, and may write while the folder is removed.
    scratch = TemporaryDirectory(prefix="hpoe-serve-", ignore_cleanup_errors=True)
    with scratch as name, _bound(settings) as listener:
        folder = Path(name)
        if settings.serve_follow or settings.serve_workers > 1:
            os.environ[FOLDER] = str(folder / "metrics")
            (folder / "metrics").mkdir()
        if settings.serve_follow:
            Following(settings, partial(_config, settings=settings), listener, folder, say).run()
            return
        champion = fetch_champion(settings.tracking_uri, folder / "model")
        config = _config(champion, settings)
        say(f"{served(champion, settings)}; Ctrl-C ends it")
        if settings.serve_workers == 1:
            DrainingServer(config).run(sockets=[listener])
        else:
            keep_alive(config, listener, settings.serve_workers)


def _config(champion: Champion, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves a champion."""
    return server_config(
        partial(_application, champion, settings),
        factory=True,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _application(champion: Champion, settings: Settings) -> ASGIApp:
    """The application with its model, made in the process that serves it."""
    from hpoe.serving.app import make_app

    model = load_champion(champion, settings.serve_max_pixels, settings.serve_threads)
    return make_app(model, champion.version, settings)


def _bound(settings: Settings) -> socket.socket:
    """A socket with the server's address, on which nothing listens before the model is loaded."""
    host, port = settings.serve_host, settings.serve_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ServingError(
            f"the server cannot listen at {host}, port {port} ({error.strerror}): choose another "
            "with --host and --port, or end what listens there"
        ) from None
    return listener


def _leave(_: int, __: FrameType | None) -> None:
    """End this process, its folders removed."""
    sys.exit(0)
