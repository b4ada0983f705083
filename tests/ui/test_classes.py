"""The page of a project with classes of its own: any labels, any number, any size of image."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.ui.browser import DOT, SEVEN, Visit
from tests.ui.looking import TOO_WIDE, UNKNOWN, WINDOWS, assert_is_the_seven, ink, status
from tests.ui.stand_in import DIGITS, Project, Reply, StandIn, opened

NAMES = (
    *("2", "10", "ginkgo biloba", "<script>alert(1)</script>", "\N{MAPLE LEAF} maple", "__proto__"),
    *(
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "\u00fc" * 32,
        "W" * 64,
        "a\u202eb",
        "'\"&lt;",
        "x y",
    ),
)
"""Text of any kind: markup, a name of JavaScript's, right to left, and of 64 bytes."""
MANY = [f"{n}" for n in range(1000)]


@pytest.mark.parametrize(
    ("labels", "heading"),
    [
        (DIGITS, "Draw a digit"),
        (DIGITS[:9], "Draw or drop a picture"),
        (["0", "1", "2", "3", "4", "5", "6", "7", "8", "ten"], "Draw or drop a picture"),
        (["0,1,2,3,4,5,6,7,8,9"], "Draw or drop a picture"),
    ],
)
def test_the_page_speaks_of_digits_only_where_they_are_the_classes(
    visit_with: Callable[..., Visit], server: StandIn, labels: list[str], heading: str
) -> None:
    server.project = Project(labels)
    visit = visit_with()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(heading)
    assert visit.page.title() == f"{heading} · hpoe"
    server.will(Reply(labels[0]))
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("sure")
    server.will(Reply(labels[0], UNKNOWN))
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("The nearest is")
    words = visit.page.locator("body").inner_text().replace("Handwritten Digits", "").lower()
    assert ("digit" in words) == (heading == "Draw a digit")


@pytest.mark.parametrize("label", NAMES)
def test_a_label_of_any_text_is_shown_as_that_text(
    visit_with: Callable[..., Visit], server: StandIn, label: str
) -> None:
    server.project = Project(NAMES)
    visit = visit_with(viewport={"width": 1180, "height": 1100})
    server.will(Reply(label))
    visit.ask(DOT)
    sentence = f"{label}, 99.2 % sure. More typical than 43 % of the images of {label}."
    expect(status(visit)).to_have_text(sentence)
    expect(visit.page.locator("#label")).to_have_text(label)
    heads = visit.page.locator("tbody th").all_text_contents()
    assert heads[0] == label
    assert sorted(heads) == sorted(NAMES)
    expect(visit.page.locator("#reconstructions li").first).to_have_text(f"{label}, the answer")
    server.will(Reply(label, UNKNOWN))
    visit.ask(DOT)
    expect(status(visit)).to_have_text(
        f"This looks like none of the classes. The nearest is {label}. "
        "Score −1.26, threshold −0.40."
    )
    assert visit.page.locator("main script").count() == 0


def test_with_long_labels_all_fits_the_window_and_is_a_table(
    visit_with: Callable[..., Visit], server: StandIn
) -> None:
    server.project = Project(NAMES, rows=64, columns=16)
    visit = visit_with(viewport={"width": 1180, "height": 1100})
    visit.page.locator("summary").click()
    for label in NAMES:
        server.will(Reply(label))
        visit.ask(DOT)
        expect(visit.page.locator("#label")).to_have_text(label)
        for window, (width, letters) in WINDOWS.items():
            visit.page.set_viewport_size({"width": width, "height": 900})
            visit.page.evaluate(f"document.documentElement.style.fontSize = '{letters}'")
            assert visit.page.evaluate(TOO_WIDE) == [], (label, window)
        table = visit.page.get_by_role("table", name="Probability of each class")
        expect(table.get_by_role("row")).to_have_count(11)
        expect(table.get_by_role("rowheader").first).to_have_text(label)


def test_of_many_classes_the_ten_most_likely_come_first_and_others_unfold_by_keyboard(
    visit_with: Callable[..., Visit], server: StandIn
) -> None:
    server.project = Project(MANY, 16, 16)
    visit = visit_with(viewport={"width": 1180, "height": 1100})
    heads = visit.page.locator("#bars th")
    expect(heads).to_have_text(MANY[:10])
    server.will(Reply("517"))
    visit.ask(DOT)
    expect(heads).to_have_text(["517", *MANY[:9]])
    expect(visit.page.locator("#reconstructions li .frame img:visible")).to_have_count(10)
    assert visit.page.locator("#bars img").evaluate_all("all => all.map(i => i.src)") == [
        server.project.classes()["classes"][int(label)]["example"] for label in ("517", *MANY[:9])
    ]
    others = visit.page.locator("#others tr")
    expect(others.first).to_be_hidden()
    visit.page.locator("#file").focus()
    visit.page.keyboard.press("Tab")
    expect(visit.page.locator("summary")).to_be_focused()
    expect(visit.page.locator("summary")).to_have_text("190 more classes")
    visit.page.keyboard.press("Enter")
    expect(others.first).to_be_visible()
    expect(visit.page.locator("#others th")).to_have_text(MANY[9:199])
    expect(visit.page.locator("#unlisted")).to_have_text(
        "800 further classes are not shown: /classes lists them."
    )
    visit.page.get_by_role("button", name="Clear").click()
    expect(heads).to_have_text(MANY[:10])


def test_a_drawing_that_is_taken_as_it_is_is_sent_light_on_black_in_the_projects_size(
    visit_with: Callable[..., Visit], server: StandIn
) -> None:
    server.project = Project(rows=20, columns=12, preparation="as_is")
    visit = visit_with(color_scheme="light")
    box = visit.page.locator("#pad").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(12 / 20, rel=0.02)
    visit.ask([[(0.25, 0.2), (0.75, 0.2)]])
    sent = np.asarray(opened(server.asked[0]).convert("RGB"))
    assert sent.shape == (20, 12, 3)
    assert (sent == sent[..., :1]).all(), "it is grey"
    rows, columns = np.nonzero(sent[..., 0])
    assert (rows.min(), rows.max()) == (3, 4), "a line of one pixel about row 4"
    assert (columns.min(), columns.max()) == (2, 9)
    assert {*np.unique(sent)} - {0, 255}, "it is anti-aliased"
    pad = Image.open(io.BytesIO(visit.page.locator("#pad").screenshot()))
    grey = np.asarray(pad.convert("L"))
    down, across = grey.shape
    assert grey[down // 5, across // 2] > 200, "also on the pad of the light theme"
    assert grey[down // 2, across // 2] < 40
    shown = visit.page.locator("#seen, .example").evaluate_all(
        "all => all.map(image => getComputedStyle(image).filter)"
    )
    assert set(shown) == {"none"}, "pictures are shown as the models see them"


def test_a_drawing_that_is_prepared_is_sent_dark_on_white_in_the_projects_shape(
    visit_with: Callable[..., Visit], server: StandIn
) -> None:
    server.project = Project(rows=20, columns=40, preparation="fit")
    visit = visit_with(color_scheme="dark")
    visit.ask([[(0.25, 0.5), (0.75, 0.5)]])
    black = ink(server.asked[0])
    assert black.shape == (140 + 2 * 14, 280 + 2 * 28)
    rows, columns = np.nonzero(black)
    assert (rows.mean(), columns.mean()) == pytest.approx((84, 168), abs=1.5)
    assert np.ptp(columns) == pytest.approx(140 + 0.07 * 140, abs=4)


def test_a_server_without_a_champion_says_so_and_is_asked_again_at_the_next_stroke(
    visit_with: Callable[..., Visit], server: StandIn
) -> None:
    server.listed.append(Reply(status=503, body='{"message": "there is no champion yet"}'))
    visit = visit_with()
    expect(status(visit)).to_have_text("There is no champion yet.")
    [complaint] = visit.complaints
    assert complaint.startswith("Failed to load resource")
    visit.complaints.clear()
    visit.ask(SEVEN)
    expect(status(visit)).to_contain_text("Digit 7")
    assert_is_the_seven(ink(server.asked[0]))


def test_when_a_version_of_other_classes_is_promoted_the_page_shows_these(
    visit: Visit, server: StandIn
) -> None:
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("Digit 7")
    server.project = Project(["cat", "dog"], 16, 24, "fit")
    server.will(Reply("dog"))
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("dog, 99.2 % sure.")
    expect(visit.page.locator("tbody th")).to_have_text(["cat", "dog"])
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Draw or drop a picture")
