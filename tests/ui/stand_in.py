"""In the server's place: the page's files under the server's policy, and scripted answers."""

import base64
import io
import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, Route

import hpoe
from hpoe.serving.middleware import HEADERS

ADDRESS = "http://localhost"
"""Nothing listens there: the browser's requests end here. Browsers trust the name."""
FILES = Path(hpoe.__file__).parent / "serving/page"


def opened(url: str) -> Image.Image:
    """The image in a data: URL, as it was sent."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def asked_about(route: Route) -> str:
    """The image in a request."""
    return str(json.loads(route.request.post_data or "")["image"])


def answer(image: str, digit: int = 7, **changes: Any) -> dict[str, Any]:
    """What the model server answers, as if this digit were drawn."""
    small = io.BytesIO()
    opened(image).convert("L").resize((28, 28)).save(small, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"
    return {
        "digit": digit,
        "labels": list(range(10)),
        "probability": 0.9921,
        "probabilities": [0.9921 if d == digit else 0.0079 / 9 for d in range(10)],
        "typicality": 43.2,
        "looks_like_digit": True,
        "digit_score": 1.3,
        "threshold": -0.4,
        "seen": picture,
        "reconstructions": [picture] * 10,
        **changes,
    }


@dataclass
class Reply:
    """How a request is answered; a reply that is held waits until it is sent."""

    digit: int = 7
    changes: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    body: str | None = None
    held: bool = False
    route: Route | None = None

    def send(self) -> None:
        """Answer the request that got this reply; the page may have lost interest."""
        assert self.route is not None
        if self.body is not None:
            self.route.fulfill(status=self.status, body=self.body)
        else:
            image = asked_about(self.route)
            self.route.fulfill(json=answer(image, self.digit, **self.changes))


@dataclass
class StandIn:
    """The images that were asked about, and the replies still to come; then sevens."""

    asked: list[str] = field(default_factory=list)
    replies: deque[Reply] = field(default_factory=deque)
    offline: bool = False

    def will(self, *replies: Reply) -> None:
        """Answer the next requests with these."""
        self.replies.extend(replies)

    def serve(self, page: Page) -> None:
        """Answer whatever a page requests from ADDRESS."""
        page.route(f"{ADDRESS}/**", self._answer)

    def _answer(self, route: Route) -> None:
        name = route.request.url.removeprefix(f"{ADDRESS}/") or "index.html"
        if self.offline:
            route.abort("internetdisconnected")
        elif name != "explain":
            route.fulfill(path=FILES / name, headers=HEADERS)
        else:
            self.asked.append(asked_about(route))
            reply = self.replies.popleft() if self.replies else Reply()
            reply.route = route
            if not reply.held:
                reply.send()
