"""A wire between client and server that can be cut, as a network is: without a word to either."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

CHUNK = 65536


class Wire(ThreadingTCPServer):
    """A TCP proxy on a free loopback port; while it is cut, nothing that is sent arrives."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: int) -> None:
        """Connect clients to a port of this machine."""
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = target
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"
        self.whole = threading.Event()
        self.whole.set()
        self.sockets: set[socket.socket] = set()
        self._losing, self._losses = b"", 0
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def cut(self) -> None:
        """Let nothing through from now on; connections stay open and silent."""
        self.whole.clear()

    def mend(self) -> None:
        """Let through what is sent from now on, and reset the connections of before.

        So they are reset when an outage outlasts TCP's patience.
        """
        for each in list(self.sockets):
            _close(each)
        self.whole.set()

    def lose_replies(self, to: bytes, count: int) -> None:
        """Break the connection instead of passing on the reply to the next requests with a text."""
        with self._lock:
            self._losing, self._losses = to, count

    def loses_reply(self, request: bytes) -> bool:
        """Return whether the reply to a request is to be lost."""
        with self._lock:
            is_lost = bool(self._losses) and self._losing in request
            self._losses -= is_lost
            return is_lost

    def server_close(self) -> None:
        """Stop listening, and end all connections."""
        self.shutdown()
        super().server_close()
        self.mend()


class _Connection(BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        self.server.whole.wait()
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.target)) as upstream,
        ):
            self.server.sockets |= {self.request, upstream}
            is_doomed = threading.Event()

            def judge(request: bytes) -> bool:
                if self.server.loses_reply(request):
                    is_doomed.set()
                return True

            replies = threading.Thread(
                target=self._pump, args=(upstream, self.request, lambda _: not is_doomed.is_set())
            )
            replies.start()
            self._pump(self.request, upstream, judge)
            replies.join()

    def _pump(
        self, source: socket.socket, sink: socket.socket, goes_on: Callable[[bytes], bool]
    ) -> None:
        with suppress(OSError):
            while content := source.recv(CHUNK):
                self.server.whole.wait()
                if not goes_on(content):
                    break
                sink.sendall(content)
        _close(source)
        _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
