"""A wire between client and server that can be cut, as a network is: without a word to either."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

CHUNK = 65536


class Wire:
    """A TCP proxy on a free loopback port; while it is cut, nothing that is sent arrives."""

    def __init__(self, target: int) -> None:
        """Lead to a port of this machine."""
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._ended = False
        self._sockets: set[socket.socket] = set()
        self._losing, self._losses = b"", 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        """Where the server is to be asked through this wire."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Let nothing through from now on; connections stay open and silent."""
        self._whole.clear()

    def mend(self) -> None:
        """Reset what was under way, and let through what is sent from now on.

        Connections of before are reset, as they are when an outage outlasts TCP's patience.
        """
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            _close(each)
        self._whole.set()

    def lose_replies(self, to: bytes, count: int) -> None:
        """Break the connection instead of passing on the reply to the next requests with a text."""
        with self._lock:
            self._losing, self._losses = to, count

    def __enter__(self) -> "Wire":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended = True
        _close(self._listener)
        self.mend()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._hold(client)
        self._whole.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=30)
        except OSError:
            self._release(client)
            return
        server.settimeout(None)
        self._hold(server)
        doomed = threading.Event()
        back = threading.Thread(
            target=self._pump, args=(server, client, lambda _: not doomed.is_set()), daemon=True
        )
        back.start()
        self._pump(client, server, lambda content: self._judge(content, doomed))
        back.join()
        self._release(client)
        self._release(server)

    def _judge(self, request: bytes, doomed: threading.Event) -> bool:
        """Pass every request on, but doom the connection whose reply is to be lost."""
        with self._lock:
            if self._losses and self._losing in request:
                self._losses -= 1
                doomed.set()
        return True

    def _pump(
        self, source: socket.socket, sink: socket.socket, goes_on: Callable[[bytes], bool]
    ) -> None:
        with suppress(OSError):
            while content := source.recv(CHUNK):
                self._whole.wait()
                if not goes_on(content):
                    break
                sink.sendall(content)
        _close(source)
        _close(sink)

    def _hold(self, each: socket.socket) -> None:
        with self._lock:
            self._sockets.add(each)

    def _release(self, each: socket.socket) -> None:
        _close(each)
        with self._lock:
            self._sockets.discard(each)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
