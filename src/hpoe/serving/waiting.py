"""What answers while there is no champion to serve: a sentence that says why."""

import socket
import threading

from starlette.types import Receive, Scope, Send

from hpoe.serving.draining import DrainingServer, server_config
from hpoe.serving.replies import error_reply

RETRY_AFTER = {"Retry-After": "5"}


class Waiting:
    """A server in a thread of this process, on a socket that others share; each answer is a 503."""

    def __init__(self, listener: socket.socket) -> None:
        self.reason = "the registry was not asked for a champion yet"
        config = server_config(self._answer, interface="asgi3", lifespan="off")
        self._server = DrainingServer(config, shares_socket=True)
        arguments = {"sockets": [listener.dup()]}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Answer what has arrived, and return."""
        self._server.should_exit = True
        self._thread.join()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await error_reply(503, self.reason, RETRY_AFTER)(scope, receive, send)
