"""A real Chromium on the page: what it shows, and all that it complains about."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Stroke = Sequence[tuple[float, float]]
"""The points of a line; (0, 0) is the pad's left upper corner, (1, 1) its right lower one."""

DOT: list[Stroke] = [[(0.5, 0.5)]]
SEVEN: list[Stroke] = [[(0.25, 0.25), (0.72, 0.25), (0.45, 0.8)]]
FOUR: list[Stroke] = [[(0.4, 0.2), (0.25, 0.55), (0.75, 0.55)], [(0.65, 0.2), (0.62, 0.85)]]

VIOLATIONS = """
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, sourceFile }) =>
        console.error(`policy violated: ${violatedDirective} in ${sourceFile}`));
"""


@dataclass
class Visit:
    """One opened page, its complaints, and every address it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Collect from now on: violations of the policy, errors and warnings, requests."""
        self.page.add_init_script(VIOLATIONS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.append(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def at(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        """Points of the pad in the page's pixels."""
        box = self.page.locator("#pad").bounding_box()
        assert box is not None
        return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]

    def draw(self, strokes: Sequence[Stroke], steps: int = 2) -> None:
        """Draw with the mouse, in so many steps from point to point."""
        mouse = self.page.mouse
        for first, *others in (self.at(*stroke) for stroke in strokes):
            mouse.move(*first)
            mouse.down()
            for point in others:
                mouse.move(*point, steps=steps)
            mouse.up()

    def ask(self, strokes: Sequence[Stroke]) -> None:
        """Draw, and wait until the server has replied."""
        with self.page.expect_response("**/explain"):
            self.draw(strokes)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def open_visit(
    browser: Browser, url: str, serve: Callable[[Page], None] | None = None, **options: Any
) -> Visit:
    """The page at an address, or served by `serve`, with these options of playwright's contexts."""
    visit = Visit(browser.new_context(**options).new_page())
    visit.watch()
    if serve is not None:
        serve(visit.page)
    visit.page.goto(url)
    return visit
