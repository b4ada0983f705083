"""The demo page in a real Chromium, in front of a server that answers as told."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from tests.ui.browser import DOT, FOUR, SEVEN, Visit
from tests.ui.looking import TOO_WIDE, UNKNOWN, WINDOWS, assert_is_the_seven, ink, status
from tests.ui.stand_in import DIGITS, Reply, StandIn, opened

EMPTY = "Draw a digit to see the answer here."
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 780},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 80), **options: Any) -> bytes:
    """A file with a dark bar on a light ground."""
    image = Image.new("RGB", size, (240, 235, 220))
    width, height = size
    image.paste((30, 30, 60), (width * 2 // 5, height // 5, width * 3 // 5, height * 4 // 5))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_a_drawing_is_answered_by_itself(visit: Visit, server: StandIn) -> None:
    expect(status(visit)).to_have_text(EMPTY)
    visit.ask(SEVEN)
    expect(status(visit)).to_have_text("Digit 7, 99.2 % sure. More typical than 43 % of real 7s.")
    expect(visit.page.locator("#label")).to_have_text("7")
    rows = visit.page.get_by_role("table", name="Probability of each digit").get_by_role("row")
    expect(rows.filter(has=visit.page.locator("td"))).to_have_text(
        [f"{d}99.2 %" if d == 7 else f"{d}0.1 %" for d in range(10)]
    )
    widths = visit.page.locator(".bar").evaluate_all(
        "bars => bars.map(bar => parseFloat(bar.style.getPropertyValue('--share')))"
    )
    assert widths == pytest.approx([0.9921 if d == 7 else 0.0079 / 9 for d in range(10)])
    captions = visit.page.get_by_role("listitem")
    expect(captions).to_have_text([f"{d}, the answer" if d == 7 else str(d) for d in range(10)])
    images = visit.page.locator("img:visible")
    expect(images).to_have_count(21)  # ten examples, the input and ten reconstructions
    assert images.evaluate_all("all => all.map(i => i.complete && i.naturalWidth)") == [28] * 21
    [sent] = server.asked
    assert_is_the_seven(ink(sent))


@pytest.mark.parametrize("pointer", ["pen", "finger"])
def test_pens_and_fingers_draw_too(
    visit_with: Callable[..., Visit], server: StandIn, pointer: str
) -> None:
    visit = visit_with(**PHONE)
    devtools = visit.page.context.new_cdp_session(visit.page)
    path = [(0.5, 0.85 - 0.05 * step) for step in range(15)]  # a page would scroll along
    for number, (x, y) in enumerate(visit.at(*path, path[-1])):
        last = number == len(path)
        if pointer == "finger":
            kind = "touchEnd" if last else "touchMove" if number else "touchStart"
            points = [] if last else [{"x": x, "y": y}]
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        else:
            kind = "mouseReleased" if last else "mouseMoved" if number else "mousePressed"
            event = {"type": kind, "x": x, "y": y, "button": "left", "pointerType": "pen"}
            devtools.send("Input.dispatchMouseEvent", {**event, "buttons": 1, "clickCount": 1})
    expect(status(visit)).to_contain_text("Digit 7")
    assert visit.page.evaluate("scrollY") == 0, "the finger scrolled the page"
    columns = np.flatnonzero(ink(server.asked[0]).any(axis=0))
    assert columns.min() >= 168 - 12
    assert columns.max() <= 168 + 12
    assert len(server.asked) == 1


def test_strokes_in_quick_succession_are_one_request_and_a_cleared_drawing_none(
    visit: Visit, server: StandIn
) -> None:
    visit.page.clock.install(time=0)
    visit.page.clock.pause_at(1000)
    visit.draw(FOUR[:1])
    visit.page.clock.run_for(300)
    visit.draw(FOUR[1:])
    visit.page.clock.run_for(300)
    assert not any(address.endswith("explain") for address in visit.addresses)
    with visit.page.expect_request("**/explain"):
        visit.page.clock.run_for(100)
    expect(status(visit)).to_contain_text("Digit 7")
    assert len(server.asked) == 1
    visit.draw(DOT)
    visit.page.get_by_role("button", name="Clear").click()
    visit.page.clock.run_for(10_000)
    expect(status(visit)).to_have_text(EMPTY)
    assert len(server.asked) == 1, "a cleared drawing is not sent"


def choose(visit: Visit, file: Path) -> None:
    visit.page.get_by_label("Choose a picture").set_input_files(file)


def drop(visit: Visit, file: Path) -> None:
    devtools = visit.page.context.new_cdp_session(visit.page)
    data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
    [(x, y)] = visit.at((0.5, 0.5))
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


def paste(visit: Visit, file: Path) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.evaluate(
        """bytes => navigator.clipboard.write([new ClipboardItem(
            { "image/png": new Blob([new Uint8Array(bytes)], { type: "image/png" }) })])""",
        list(file.read_bytes()),
    )
    visit.page.keyboard.press("Control+V")


@pytest.mark.parametrize("give", [choose, drop, paste])
def test_a_picture_is_sent_as_it_is(
    visit: Visit, server: StandIn, tmp_path: Path, give: Callable[[Visit, Path], None]
) -> None:
    (tmp_path / "one.png").write_bytes(picture())
    give(visit, tmp_path / "one.png")
    expect(status(visit)).to_contain_text("Digit 7")
    name = "image.png" if give is paste else "one.png"
    expect(visit.page.get_by_role("img", name=f"Drawing area, the picture {name}")).to_be_visible()
    sent = opened(server.asked[0])
    assert sent.format == "PNG"
    given = Image.open(tmp_path / "one.png")
    assert np.array_equal(np.asarray(sent.convert("RGB")), np.asarray(given))
    assert len(server.asked) == 1


def test_a_picture_that_the_server_does_not_accept_is_encoded_again_smaller_and_upright(
    visit: Visit, server: StandIn, tmp_path: Path
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: to be turned right by 90 degrees
    (tmp_path / "photo.jpg").write_bytes(picture("JPEG", (4200, 2100), exif=turned))
    (tmp_path / "scan.bmp").write_bytes(picture("BMP"))
    for name, size in (("photo.jpg", (800, 1600)), ("scan.bmp", (60, 80))):
        with visit.page.expect_response("**/explain"):
            choose(visit, tmp_path / name)
        sent = opened(server.asked[-1])
        assert (sent.format, sent.size) == ("JPEG" if name == "photo.jpg" else "PNG", size)


def test_what_is_no_picture_is_refused_in_a_sentence(
    visit: Visit, server: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.7")
    drop(visit, tmp_path / "notes.pdf")
    expect(status(visit)).to_have_text(
        "This browser cannot read notes.pdf as a picture; "
        "choose a PNG, JPEG, WebP, GIF or BMP file."
    )
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.evaluate("navigator.clipboard.writeText('seven')")
    visit.page.keyboard.press("Control+V")
    expect(status(visit)).to_have_text("There is no picture in what was pasted.")
    assert server.asked == []


def test_undo_goes_back_step_by_step_and_brings_a_cleared_drawing_back(
    visit: Visit, tmp_path: Path
) -> None:
    def shows(what: str) -> None:
        name = f"Drawing area, {what}"
        expect(visit.page.get_by_role("img", name=name, exact=True)).to_be_visible()

    undo, clear = (visit.page.get_by_role("button", name=name) for name in ("Undo", "Clear"))
    expect(undo).to_be_disabled()
    visit.draw(FOUR)
    shows("2 strokes")
    (tmp_path / "one.png").write_bytes(picture())
    choose(visit, tmp_path / "one.png")
    shows("the picture one.png")
    visit.draw(DOT)
    shows("one stroke")
    clear.click()
    shows("empty")
    expect(status(visit)).to_have_text(EMPTY)
    expect(clear).to_be_disabled()
    undo.click()
    shows("one stroke")
    visit.page.keyboard.press("Control+Z")
    shows("the picture one.png")
    undo.click()
    shows("2 strokes")
    undo.click()
    shows("one stroke")
    expect(status(visit)).to_contain_text("Digit 7")
    undo.click()
    shows("empty")
    expect(undo).to_be_disabled()
    expect(status(visit)).to_have_text(EMPTY)
    assert not visit.page.locator("#pad").evaluate(
        """pad => pad.getContext("2d").getImageData(0, 0, pad.width, pad.height)
            .data.some(Boolean)"""
    )


def test_no_certainty_is_rounded_to_all_or_nothing_and_what_is_no_digit_is_said_to_be_none(
    visit: Visit, server: StandIn
) -> None:
    sure = "Digit 7, more than 99.9 % sure. More typical than over 99 % of real 7s."
    unsure = "Digit 7, 50.0 % sure. More typical than less than 1 % of real 7s."
    unlike = "This does not look like a digit. The nearest is 3. Score −1.26, threshold −0.40."
    for label, probability, changes, words, others in (
        ("7", 0.5, {"typicality": 0.2}, unsure, "5.6 %"),
        ("7", 0.99999, {"typicality": 99.8}, sure, "< 0.1 %"),
        ("3", 0.5, UNKNOWN, unlike, "5.6 %"),
    ):
        shares = {d: probability if d == label else (1 - probability) / 9 for d in DIGITS}
        figures = {"probability": probability, "probabilities": shares}
        server.will(Reply(label, {**figures, **changes}))
        visit.ask(DOT)
        expect(status(visit)).to_have_text(words)
        expect(visit.page.locator(".value").first).to_have_text(others)
    expect(visit.page.get_by_role("main")).to_have_attribute("data-kind", "unknown")


def test_refusals_are_shown_in_the_servers_sentences(visit: Visit, server: StandIn) -> None:
    for code, body, sentence in (
        (400, '{"message": "Send a whole PNG."}', "Send a whole PNG."),
        (413, '{"message": "send less: 64 MiB"}', "Send less: 64 MiB."),
        (502, "<html>", "The server gave error 502 and no reason."),
    ):
        server.will(Reply(), Reply(status=code, body=body))
        visit.ask(DOT)
        expect(status(visit)).to_contain_text("Digit 7")
        visit.ask(DOT)
        expect(status(visit)).to_have_text(sentence)
        expect(visit.page.locator(".value")).to_have_text(["–"] * 10)  # nothing of the last answer
        expect(visit.page.locator("img:visible:not(.example)")).to_have_count(0)
        [complaint] = visit.complaints
        assert complaint.startswith("Failed to load resource")  # the browser's own note
        visit.complaints.clear()


def test_without_a_connection_a_sentence_says_so_and_the_next_stroke_tries_again(
    visit: Visit, server: StandIn
) -> None:
    server.offline = True
    visit.draw(DOT)
    expect(status(visit)).to_have_text(
        "The server does not answer; check that it runs, then draw or choose again."
    )
    server.offline = False
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("Digit 7")
    assert ["ERR_INTERNET_DISCONNECTED" in complaint for complaint in visit.complaints] == [True]
    visit.complaints.clear()


def test_an_answer_that_comes_late_is_ignored(visit: Visit, server: StandIn) -> None:
    late, new = Reply("2", held=True), Reply("3", held=True)
    server.will(Reply("1"), late, new)
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("Digit 1")
    for _ in (late, new):
        with visit.page.expect_request("**/explain"):
            visit.draw(DOT)
    expect(status(visit)).to_contain_text("Digit 1")  # no flicker: the old one stays meanwhile
    new.send()
    expect(status(visit)).to_contain_text("Digit 3")
    late.send()
    visit.page.evaluate("fetch('page.css').then(reply => reply.text())")  # a way after the late one
    expect(status(visit)).to_contain_text("Digit 3")


def test_every_control_and_picture_has_a_name(visit: Visit) -> None:
    visit.ask(DOT)
    expect(status(visit)).to_contain_text("Digit 7")
    devtools = visit.page.context.new_cdp_session(visit.page)
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    named = {"button", "image", "img", "table", "list", "textbox", "link", "region"}
    names: dict[str, list[str]] = {}
    for node in nodes:
        if node["role"]["value"] in named and not node["ignored"]:
            names.setdefault(node["role"]["value"], []).append(node["name"]["value"])
    assert all(name for those in names.values() for name in those), names
    assert sum(len(names.get(role, [])) for role in ("image", "img")) == 12  # not the examples
    assert [name.split(":")[0] for name in names["button"]] == ["Undo", "Clear", "Choose a picture"]
    assert names["region"] == ["Drawing", "Answer", "What the models see"]
    [live] = visit.page.locator("[aria-live]").all()
    assert live.get_attribute("aria-live") == "polite"
    assert len(live.text_content() or "") < 100
    expect(visit.page.locator("#pad")).to_have_accessible_description(
        "Draw with a mouse, pen or finger. Or choose, paste or drop a picture of one digit, "
        "such as a scan or a photo."
    )


def test_everything_is_done_by_keyboard_and_shows_where_the_focus_is(
    visit: Visit, tmp_path: Path
) -> None:
    order = []
    ring = "e => getComputedStyle(e.closest('label') ?? e).outlineWidth"
    with visit.page.expect_file_chooser() as chooser:
        for _ in range(4):
            visit.page.keyboard.press("Tab")
            focus = visit.page.locator(":focus")
            order.append(focus.get_attribute("id"))
            assert focus.evaluate(ring) == "3px"
        assert order == ["pad", "undo", "clear", "file"]
        visit.page.keyboard.press("Enter")
    (tmp_path / "one.png").write_bytes(picture())
    chooser.value.set_files(tmp_path / "one.png")
    expect(status(visit)).to_contain_text("Digit 7")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Enter")
    expect(status(visit)).to_have_text(EMPTY)
    expect(visit.page.locator("#clear")).to_be_focused()  # not lost, though there is no more to do


def states(visit: Visit, server: StandIn) -> Iterator[str]:
    """Bring the page into one state after another."""
    yield "empty"
    refusal = Reply(status=400, body='{"message": "send one PNG"}')
    replies = {"Digit 7": Reply(), "does not look": Reply("3", UNKNOWN), "Send one PNG.": refusal}
    for words, reply in replies.items():
        server.will(reply)
        visit.ask(DOT)
        expect(status(visit)).to_contain_text(words)
        yield words
    visit.complaints.clear()  # the browser's own note of the refusal


CONTRASTS = """() => {
    const channels = css => css.match(/[\\d.]+/g).map(Number);
    const ground = element => {
        const [r, g, b, alpha = 1] = channels(getComputedStyle(element).backgroundColor);
        return alpha || !element.parentElement ? [r, g, b] : ground(element.parentElement);
    };
    const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = {};
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const words = texts.currentNode.data.trim();
        const hidden = !element.checkVisibility() || element.closest(".visually-hidden, noscript");
        if (!words || hidden) continue;
        const pair = [light(channels(getComputedStyle(element).color)), light(ground(element))];
        found[words] = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    }
    return found;
}"""


def test_in_each_state_all_fits_the_window_and_letters_stand_out(
    visit: Visit, server: StandIn
) -> None:
    for state in states(visit, server):
        for theme in ("light", "dark"):
            visit.page.emulate_media(color_scheme=theme)
            contrasts = visit.page.evaluate(CONTRASTS)
            assert len(contrasts) > 10
            weak = {words: ratio for words, ratio in contrasts.items() if ratio < 4.5}
            assert weak == {}, (state, theme)
        for window, (width, letters) in WINDOWS.items():
            visit.page.set_viewport_size({"width": width, "height": 900})
            visit.page.evaluate(f"document.documentElement.style.fontSize = '{letters}'")
            assert visit.page.evaluate(TOO_WIDE) == [], (state, window)
            whole = visit.page.evaluate("document.documentElement.scrollWidth")
            assert whole <= width, (state, window)


def test_dark_mode_is_dark_and_sends_the_same_and_nothing_moves_without_motion(
    visit: Visit, server: StandIn
) -> None:
    def screen() -> NDArray[np.uint8]:
        return np.asarray(Image.open(io.BytesIO(visit.page.screenshot())).convert("L"))

    visit.page.emulate_media(color_scheme="dark")
    visit.ask(SEVEN)
    assert_is_the_seven(ink(server.asked[0]))
    [(x, y)] = visit.at((0.5, 0.25))
    assert np.median(screen()) < 40
    assert screen()[round(y), round(x)] > 200, "the ink is light"
    visit.page.emulate_media(color_scheme="light")
    assert np.median(screen()) > 240
    assert screen()[round(y), round(x)] < 60, "the ink is dark once the theme is light"
    longest = """() => Math.max(...[...document.querySelectorAll("*")]
        .map(element => parseFloat(getComputedStyle(element).transitionDuration)))"""
    assert visit.page.evaluate(longest) > 0.1
    visit.page.emulate_media(reduced_motion="reduce")
    assert visit.page.evaluate(longest) < 0.01


def test_these_visits_notice_what_the_policy_forbids(visit: Visit) -> None:
    for directive, code in {
        "style-src-attr": "document.body.setAttribute('style', 'color: red')",
        "connect-src": "fetch('http://127.0.0.1:9/').catch(() => null)",
    }.items():
        said = f"policy violated: {directive}"
        with visit.page.expect_console_message(lambda message: said in message.text):  # noqa: B023
            visit.page.evaluate(code)
        assert any(said in complaint for complaint in visit.complaints)
    visit.complaints.clear()
