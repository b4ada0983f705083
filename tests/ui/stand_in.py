"""A server in the model server's place: the page's files under its policy, and scripted answers."""

import base64
import io
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from PIL import Image, ImageOps

import hpoe

FILES = Path(hpoe.__file__).parent / "serving/page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SERVED = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


def data_url(image: Image.Image) -> str:
    """An image as a PNG in a data: URL."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def opened(url: str) -> Image.Image:
    """The image in a data: URL, as it was sent."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def centred(image: Image.Image) -> Image.Image:
    """Dark ink on white as light ink on black, fitted into the middle 20 x 20 of 28 x 28 pixels."""
    ink = ImageOps.invert(image.convert("L"))
    ink = ImageOps.contain(ink.crop(ink.getbbox()), (20, 20), Image.Resampling.BOX)
    canvas = Image.new("L", (28, 28))
    canvas.paste(ink, ((28 - ink.width) // 2, (28 - ink.height) // 2))
    return canvas


def answer(image: str, digit: int = 7, **changes: Any) -> dict[str, Any]:
    """What the model server answers, as if this digit were drawn."""
    seen = centred(opened(image))
    return {
        "digit": digit,
        "probability": 0.9921,
        "labels": list(range(10)),
        "probabilities": [0.9921 if d == digit else 0.0079 / 9 for d in range(10)],
        "typicality": 43.2,
        "looks_like_digit": True,
        "digit_score": 1.3,
        "threshold": -0.4,
        "seen": data_url(seen),
        "reconstructions": [data_url(seen)] * 10,
        **changes,
    }


@dataclass
class Reply:
    """How the next question is answered, and when: not before `released` is set."""

    digit: int = 7
    changes: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    body: str | None = None
    released: threading.Event = field(default_factory=threading.Event)
    sent: threading.Event = field(default_factory=threading.Event)

    def at_once(self) -> Self:
        """The same, released already."""
        self.released.set()
        return self


@dataclass
class StandIn:
    """A running server: its address, the images it was asked about, the replies still to come."""

    url: str
    asked: list[str] = field(default_factory=list)
    replies: deque[Reply] = field(default_factory=deque)

    def will(self, *replies: Reply) -> None:
        """Answer the next questions so; those after them are sevens, at once."""
        self.replies.extend(replies)


class Handler(BaseHTTPRequestHandler):
    """GET of the page's files, POST of an image to be explained."""

    stand_in: StandIn

    def do_GET(self) -> None:
        name, kind = SERVED.get(self.path, (None, ""))
        if name is None:
            return self.send(404, "text/plain", b"")
        return self.send(200, kind, (FILES / name).read_bytes())

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.stand_in.replies.popleft() if self.stand_in.replies else Reply().at_once()
        self.stand_in.asked.append(request["image"])
        assert reply.released.wait(30)
        body = reply.body or json.dumps(answer(request["image"], reply.digit, **reply.changes))
        with suppress(ConnectionError):  # the page has lost interest
            self.send(reply.status, "application/json", body.encode())
        reply.sent.set()

    def send(self, status: int, kind: str, body: bytes) -> None:
        """One whole response under the page's policy."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[StandIn]:
    """A stand-in on a free port of loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in = StandIn(f"http://127.0.0.1:{server.server_port}")
        Handler.stand_in = stand_in
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()
