"""What the page's tests share: a browser, a stand-in for the server, visits without complaints."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.programs import require
from tests.ui import browser as browsers
from tests.ui.browser import Visit
from tests.ui.stand_in import ADDRESS, StandIn

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")  # an open browser keeps an event loop, which others must not find
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    require("chromium")
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture
def server() -> StandIn:
    """A stand-in for the model server."""
    return StandIn()


@pytest.fixture
def visit_with(browser: Browser, server: StandIn) -> Iterator[Callable[..., Visit]]:
    """Opens the page with options; at the end, nothing went wrong in it or left its origin."""
    visits: list[Visit] = []

    def open_page(**options: Any) -> Visit:
        lists_classes = not server.listed
        visits.append(browsers.open_visit(browser, ADDRESS, server.serve, **options))
        if lists_classes:
            visits[-1].page.locator("body[data-preparation]").wait_for()  # it knows the classes
        return visits[-1]

    yield open_page
    for visit in visits:
        visit.page.evaluate("0")  # what the page has said by now has arrived after this
        visit.page.context.close()
        assert visit.complaints == []
        own = (f"{ADDRESS}/", "data:", "blob:")
        assert [address for address in visit.addresses if not address.startswith(own)] == []


@pytest.fixture
def visit(visit_with: Callable[..., Visit]) -> Visit:
    """The page in a window of ordinary size."""
    return visit_with(viewport={"width": 1180, "height": 1100})
