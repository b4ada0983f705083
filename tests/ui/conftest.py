"""What the page's tests share: a browser, a stand-in server, visits without complaints."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.programs import require
from tests.ui import browser as browsers
from tests.ui.browser import Visit
from tests.ui.stand_in import StandIn, serving

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")  # an open browser keeps an event loop, which others must not find
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    require("chromium")
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A stand-in for the model server."""
    with serving() as stand_in:
        yield stand_in


@pytest.fixture
def visit_of(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens the page of any server; at the end, nothing went wrong in it or left its origin."""
    opened: list[tuple[str, Visit]] = []

    def open_page(url: str, **options: Any) -> Visit:
        opened.append((url, browsers.open_visit(browser, url, **options)))
        return opened[-1][1]

    yield open_page
    for url, visit in opened:
        visit.page.evaluate("0")  # what the page has said by now has arrived after this
        visit.page.context.close()
        assert visit.complaints == []
        assert [a for a in visit.addresses if not a.startswith((f"{url}/", "data:", "blob:"))] == []


@pytest.fixture
def visit(visit_of: Callable[..., Visit], server: StandIn) -> Visit:
    """The stand-in's page in a window of ordinary size."""
    return visit_of(server.url, viewport={"width": 1180, "height": 1100})
