"""The pictures of docs/operations.md: `python -m tests.stack.pictures ADDRESS USER PASSWORD`.

ADDRESS is that of the gateway of a running stack in which the pipeline has run.
"""

import sys
from pathlib import Path

from playwright.sync_api import expect

from tests.ui.browser import chromium, open_visit
from tests.ui.pictures import THREE, by_hand

FOLDER = Path(__file__).parents[2] / "docs/images"
RUNS = (
    "/#/experiments/1/runs?workspace=default&workflowType=machine_learning"
    "&searchFilter=tags.kind+%3D+'pipeline'"
)


def take(address: str, user: str, password: str) -> list[str]:
    """Save what MLflow and the page look like behind the login; what the browser complains of."""
    login = {"username": user, "password": password}
    size = {"width": 1280, "height": 720}
    with chromium() as browser:
        runs = open_visit(browser, address + RUNS, http_credentials=login, viewport=size)
        expect(runs.page.get_by_text("matching run")).to_be_visible(timeout=120_000)
        runs.page.get_by_role("button", name="Close").click()  # an assistant, not of this stack
        runs.page.screenshot(path=FOLDER / "stack_runs.png")
        size = {"width": 1100, "height": 1150}
        page = open_visit(browser, f"{address}/digits/", http_credentials=login, viewport=size)
        page.ask([by_hand(THREE, 60)])
        expect(page.page.get_by_role("status")).to_contain_text("sure", timeout=60_000)
        page.page.screenshot(path=FOLDER / "stack_page.png")
        return runs.complaints + page.complaints


if __name__ == "__main__":
    for complaint in take(*sys.argv[1:4]):
        print(complaint)  # noqa: T201
