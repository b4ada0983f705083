"""What tests of the page look at: what it says, what it sends, and whether all of it fits."""

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator

from tests.ui.browser import Visit
from tests.ui.stand_in import opened

UNKNOWN = {"is_known": False, "known_score": -1.26, "threshold": -0.4}
WINDOWS = {
    "a phone's width": (360, "100%"),
    "a phone's, with letters twice as large": (360, "200%"),
    "the least of WCAG": (320, "100%"),
}
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(element => !element.closest(".visually-hidden"))
    .filter(element => element.getBoundingClientRect().right > innerWidth + 0.5)
    .map(element => element.outerHTML.slice(0, 80))"""


def status(visit: Visit) -> Locator:
    return visit.page.get_by_role("status")


def ink(image: str) -> NDArray[np.bool_]:
    """Where a drawing that was sent is black; elsewhere it is white."""
    grey = np.asarray(opened(image).convert("L"))
    assert np.median(grey) == 255
    return grey < 128


def assert_is_the_seven(black: NDArray[np.bool_]) -> None:
    assert black[98, 168]  # on its bar
    assert black[98, 118]
    assert black[228, 159]  # on its stem
    assert not black[168, 88]
    assert 0.03 < black.mean() < 0.1
    assert not black[:28].any()
