"""The server: one process that listens, and worker processes that have loaded the champion."""

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from types import FrameType

import uvicorn

from hpoe.errors import ServingError
from hpoe.serving.app import make_app
from hpoe.serving.logs import LOGGING
from hpoe.serving.versions import Versions
from hpoe.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Keep-alive timeout; longer than that of proxies, so that the proxy closes idle connections."""
GRACE_SECONDS = 60
"""Time that requests in flight get to finish after SIGTERM or Ctrl-C."""
HEADER_BYTES = 2**16
"""Maximum size of a request's line and headers."""


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve the champion until SIGTERM or Ctrl-C; then answer what is in flight, and return.

    Raises:
        ServingError: the address is taken.
        RegistryError: there is no champion, or it cannot be loaded; not raised where champions are
            followed.
        TrackingError: the registry cannot be used; not raised where champions are followed.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with _bound(settings) as listener, closing(Versions(settings, say)) as versions:
        if settings.serve_follow:
            versions.follow()
        else:
            versions.serve_champion()
        config = uvicorn.Config(
            make_app(versions, settings),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=LOGGING,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=HEADER_BYTES,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _bound(settings: Settings) -> socket.socket:
    """Bind the server's address; nothing listens on it before the model is loaded."""
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
    """End this process after its workers have ended and their files are removed."""
    sys.exit(0)
