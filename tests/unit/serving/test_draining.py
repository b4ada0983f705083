"""A listening socket that takes no further connection."""

import socket
import subprocess
import sys
from contextlib import closing

import pytest

from hpoe.serving.draining import _pending, ignore_new

CONNECT = (
    "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=30)"
)


def test_what_was_connected_is_accepted_and_nothing_new_is() -> None:
    """A connection after that waits, unlike one to a closed socket; and is refused in the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    with closing(socket.create_connection(address)) as before:
        if not ignore_new(listener):
            pytest.skip("this kernel has no packet filters")
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
        (accepted,) = _pending(listener)
        before.sendall(b"sent before")
        accepted.setblocking(True)
        assert accepted.recv(100) == b"sent before"
        accepted.close()
    command = [sys.executable, "-c", CONNECT, str(address[1])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as late:
        with pytest.raises(subprocess.TimeoutExpired):
            late.wait(0.5)
        listener.close()
        assert "ConnectionRefusedError" in late.communicate(timeout=30)[1]
