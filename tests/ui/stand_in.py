"""In the server's place: the page's files under the server's policy, and scripted answers."""

import base64
import io
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
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


DIGITS = tuple(map(str, range(10)))


def url(picture: Image.Image) -> str:
    """A picture as a data: URL."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass
class Project:
    """Classes, and the format of their images."""

    labels: Sequence[str] = DIGITS
    rows: int = 28
    columns: int = 28
    preparation: str = "ink"

    def classes(self) -> dict[str, Any]:
        """What the model server lists: no two examples are alike."""
        size = (self.columns, self.rows)
        examples = [Image.new("L", size, 40 + 7 * n % 200) for n in range(len(self.labels))]
        for number, example in enumerate(examples):
            example.paste(255, (2, 2, 3 + number % (self.columns - 4), self.rows - 2))
        pairs = zip(self.labels, examples, strict=True)
        return {
            "contract": 2,
            "classes": [{"label": label, "example": url(each)} for label, each in pairs],
            "image_size": [self.rows, self.columns],
            "preparation": self.preparation,
        }

    def answer(self, image: str, label: str, **changes: Any) -> dict[str, Any]:
        """What it answers, as if this were drawn; of the other classes the first are likelier."""
        grey = opened(image).convert("L").resize((self.columns, self.rows))
        picture = url(grey if self.preparation == "as_is" else ImageOps.invert(grey))
        others = [each for each in self.labels if each != label]
        weights = {each: 1.0 if len(others) < 10 else 0.8**n for n, each in enumerate(others)}
        shares = {each: 0.0079 * w / sum(weights.values()) for each, w in weights.items()}
        shares[label] = 0.9921
        likely = sorted(self.labels, key=lambda each: -shares[each])[:10]
        return {
            "label": label,
            "probability": 0.9921,
            "probabilities": {each: shares[each] for each in self.labels},
            "typicality": 43.2,
            "is_known": True,
            "known_score": 1.3,
            "threshold": -0.4,
            "seen": picture,
            "reconstructions": {each: picture for each in self.labels if each in likely},
            **changes,
        }


@dataclass
class Reply:
    """How a request is answered; a reply that is held waits until it is sent."""

    label: str = "7"
    changes: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    body: str | None = None
    held: bool = False
    route: Route | None = None
    project: Project = field(default_factory=Project)

    def send(self) -> None:
        """Answer the request that got this reply; the page may have lost interest."""
        assert self.route is not None
        if self.body is not None:
            self.route.fulfill(status=self.status, body=self.body)
        else:
            image = asked_about(self.route)
            self.route.fulfill(json=self.project.answer(image, self.label, **self.changes))


@dataclass
class StandIn:
    """The images that were asked about, and the replies still to come; then sevens."""

    project: Project = field(default_factory=Project)
    asked: list[str] = field(default_factory=list)
    replies: deque[Reply] = field(default_factory=deque)
    listed: deque[Reply] = field(default_factory=deque)
    """Replies to requests for the classes, before those that list them."""
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
        elif name == "classes":
            reply = self.listed.popleft() if self.listed else Reply()
            if reply.body is None:
                route.fulfill(json=self.project.classes(), headers=HEADERS)
            else:
                route.fulfill(status=reply.status, body=reply.body)
        elif name != "explain":
            route.fulfill(path=FILES / name, headers=HEADERS)
        else:
            self.asked.append(asked_about(route))
            reply = self.replies.popleft() if self.replies else Reply()
            reply.route, reply.project = route, self.project
            if not reply.held:
                reply.send()
