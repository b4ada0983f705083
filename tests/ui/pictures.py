"""The README's pictures of the page: `python -m tests.ui.pictures ADDRESS` of `hpoe serve`."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import expect
from scipy.interpolate import CubicSpline

from tests.ui.browser import Stroke, chromium, open_visit

FOLDER = Path(__file__).parents[2] / "docs/images"
THREE = [
    *((0.29, 0.27), (0.39, 0.18), (0.56, 0.17), (0.66, 0.28), (0.58, 0.41), (0.44, 0.48)),
    *((0.62, 0.53), (0.69, 0.67), (0.58, 0.81), (0.41, 0.83), (0.27, 0.74)),
]
PICTURES: dict[str, dict[str, Any]] = {
    "page.png": {"viewport": {"width": 1100, "height": 1150}, "color_scheme": "light"},
    "page_phone.png": {
        "viewport": {"width": 360, "height": 800},
        "color_scheme": "dark",
        "device_scale_factor": 2,
        "is_mobile": True,
    },
}


def by_hand(corners: Stroke, points: int) -> Stroke:
    """A smooth line through some points."""
    line = CubicSpline(np.linspace(0, 1, len(corners)), np.array(corners))
    return [(float(x), float(y)) for x, y in line(np.linspace(0, 1, points))]


def take(address: str, folder: Path) -> None:
    """Draw a three, and save what the page then looks like."""
    with chromium() as browser:
        for name, options in PICTURES.items():
            visit = open_visit(browser, address, reduced_motion="reduce", **options)
            visit.ask([by_hand(THREE, 60)])
            expect(visit.page.get_by_role("status")).to_contain_text("sure")
            visit.page.screenshot(path=folder / name)


if __name__ == "__main__":
    take(sys.argv[1], FOLDER)
