"""A uvicorn server that loses no request when it ends.

uvicorn answers requests in flight, but closes idle connections at once, and its listening socket
with the connections that wait in it: a client that just sent a request over either would see the
connection reset. Here what has reached the machine is answered, with `Connection: close`.
"""

import asyncio
import ctypes
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hpoe.serving.logs import LOGGING
from hpoe.serving.replies import error_reply

LINGER_SECONDS = 2.0
"""How long an idle connection may still bring a request after the end was asked for."""
CLOSE = (b"connection", b"close")
HEADER_BYTES = 2**16
"""The most that a request's line and headers may take."""
ATTACH_FILTER = 26
"""Linux's SO_ATTACH_FILTER, which the socket module does not name."""
IGNORE_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""Packet filter: load the flags of TCP; if SYN is set, drop the packet; let all others pass."""


class _WholeResponses(h11.Connection):
    """A response's headers leave with the first bytes of its body, in one write.

    A server killed between two writes would leave half an answer, which a gateway has begun to
    pass on and cannot take back.
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER, HEADER_BYTES)
        self._held: list[bytes] = []

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """The bytes to write for an event; none yet for headers."""
        pieces = super().send_with_data_passthrough(event)
        if pieces is None:
            return None
        if isinstance(event, h11.Response):
            self._held = pieces
            return []
        held, self._held = self._held, []
        return held + pieces


class Protocol(H11Protocol):
    """HTTP/1.1, with errors in JSON also for what is no HTTP."""

    def __init__(self, *of: Any, **protocol: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*of, **protocol)
        self.conn = _WholeResponses()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer a request that cannot be parsed, and close."""
        reply = error_reply(400, "the request is not HTTP/1.1")
        headers = [*reply.raw_headers, CLOSE]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def server_config(application: Any, **more: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's
    """Uvicorn's config of a `DrainingServer`: its protocol, our log, and no more told than needed.

    Args:
        application: to serve, or what makes it.
        more: options in which servers differ.
    """
    return uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        log_config=LOGGING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        **more,
    )


class DrainingServer(uvicorn.Server):
    """A server that answers what was sent before it ends."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        shares_socket: bool = False,
        say_ready: Callable[[], None] | None = None,
    ) -> None:
        """Serve by a config; others may go on accepting from a socket that is shared."""
        super().__init__(config)
        self._shares_socket = shares_socket
        self._say_ready = say_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        await super().startup(sockets)
        if self._say_ready is not None:
            self._say_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what waits, stop listening, let idle connections bring a last request, end."""
        if not self._shares_socket:
            for listener in sockets or []:
                ignore_new(listener)
        waiting = [connection for listener in sockets or [] for connection in _pending(listener)]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        headers = [*self.server_state.default_headers, CLOSE]
        self.server_state.default_headers = headers
        for connection in self._connections():
            if connection.cycle is not None:
                connection.cycle.default_headers = headers
        await self._serve_waiting(waiting)
        end = time.monotonic() + LINGER_SECONDS
        while self.server_state.connections and time.monotonic() < end:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    def _connections(self) -> list[Protocol]:
        return [known for known in self.server_state.connections if isinstance(known, Protocol)]

    async def _serve_waiting(self, waiting: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        protocol = partial(Protocol, self.config, self.server_state, self.lifespan.state, loop)
        for connection in waiting:
            await loop.connect_accepted_socket(protocol, connection)


def ignore_new(listener: socket.socket) -> bool:
    """Let no further connection come to a listening socket; those that are being made still do.

    One that came between the last accept and the close would be reset, with the request that it
    brought. A client that is ignored asks again within a second, and then is refused.

    Returns:
        Whether the kernel has packet filters; where it has not, that gap stays.
    """
    steps = b"".join(struct.pack("HBBI", *step) for step in IGNORE_SYN)
    kept = ctypes.create_string_buffer(steps, len(steps))
    program = struct.pack("HP", len(IGNORE_SYN), ctypes.addressof(kept))
    try:
        listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def _pending(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait to be accepted."""
    pending: list[socket.socket] = []
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return pending
        pending.append(connection)
