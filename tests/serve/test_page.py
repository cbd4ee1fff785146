"""The page in a real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import base64
import re
import shlex

from PIL import Image
from playwright.sync_api import expect
from tests.serve.conftest import QuickEncoder

from cdim.find.gallery import Gallery

GIVE = """([bytes, kind, name, place]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
        : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
    document.querySelector(place).dispatchEvent(event);
}"""


GIVE_TEXT = """([text, kind]) => {
    const transfer = new DataTransfer();
    transfer.setData(kind === "paste" ? "text/plain" : "text/uri-list", text);
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true})
        : new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
    document.querySelector("#ask").dispatchEvent(event);
}"""


def first(page):
    return page.locator("#hits > li .card").first


def strokes_on(page, count):
    name = f"{count} stroke{'s' if count != 1 else ''}" if count else "empty"
    expect(page.locator("#canvas")).to_have_attribute("aria-label", f"Drawing canvas, {name}")


def test_a_stored_sketch_drawn_stroke_by_stroke_brings_up_its_instance(visit, draw, shop, drawings):
    page = visit(shop)
    name, drawing = list(drawings.items())[5]
    answers = []
    page.on("response", lambda r: answers.append(r.status) if "/v1/search" in r.url else None)
    for number, line in enumerate(drawing.lines, start=1):
        draw(page, [line])
        strokes_on(page, number)
        if number == 2:
            expect(page.locator("#heading")).to_have_text("Nearest first")
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(name)}, "))
    expect(page.locator("#status")).to_contain_text(f"first of 36 items: {name}")
    expect(first(page).locator("img")).to_have_js_property("naturalWidth", 160)
    assert len(answers) >= 2
    assert set(answers) == {200}


def test_undo_redo_eraser_and_clear(visit, draw, shop):
    page = visit(shop)
    across, down = [(20, 128), (236, 128)], [(60, 40), (60, 216)]
    draw(page, [across, down])
    strokes_on(page, 2)
    page.keyboard.press("Control+z")
    strokes_on(page, 1)
    page.keyboard.press("Control+y")
    strokes_on(page, 2)
    page.keyboard.press("e")
    expect(page.locator("#eraser")).to_have_attribute("aria-pressed", "true")
    draw(page, [[(150, 100), (150, 150)]])  # crosses the first stroke only
    strokes_on(page, 1)
    page.locator("#undo").click()
    strokes_on(page, 2)
    page.keyboard.press("p")
    page.keyboard.press("Delete")
    strokes_on(page, 0)
    expect(page.locator("#heading")).to_have_text("Everything")
    page.keyboard.press("Control+z")
    strokes_on(page, 2)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    strokes_on(page, 0)
    expect(page.locator("#undo")).to_be_disabled()


def test_search_by_image_domain_and_blend(visit, draw, shop, pictures, drawings):
    page = visit(shop)
    (one, file), *_, (other, _) = pictures.items()
    page.locator("#file").set_input_files(file)
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(one)}, "))
    expect(page.locator("#domain input:checked")).to_have_value("sketch")
    with page.expect_response("**/v1/search") as answered:
        page.locator("#domain").get_by_text("photo").click()
    assert answered.value.json()["taken"] == ["photo"]
    expect(page.locator("#blend")).to_be_hidden()
    draw(page, drawings[other].lines)
    expect(page.locator("#blend")).to_be_visible()
    page.locator("#weight").fill("0")
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(other)}, "))
    page.locator("#weight").fill("100")
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(one)}, "))
    page.locator("#forget").click()
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(other)}, "))


def test_an_image_pasted_or_dropped(visit, shop, pictures):
    page = visit(shop)
    name, file = list(pictures.items())[4]
    for kind in ("paste", "drop"):
        page.evaluate(GIVE, [list(file.read_bytes()), kind, "a.png", "#ask"])
        expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(name)}, "))
        page.locator("#forget").click()
        expect(page.locator("#heading")).to_have_text("Everything")


def test_an_image_in_an_address_is_pasted_or_dropped(visit, shop, pictures):
    page = visit(shop)
    name, file = list(pictures.items())[4]
    url = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
    for kind in ("paste", "drop"):
        page.evaluate(GIVE_TEXT, [url, kind])
        expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(name)}, "))
        page.locator("#forget").click()
        expect(page.locator("#heading")).to_have_text("Everything")
    page.evaluate(GIVE_TEXT, ["https://elsewhere.example/a.png", "drop"])
    expect(page.locator("#failure")).to_contain_text("loads nothing from other sites")


def test_filters(visit, shop):
    page = visit(shop)
    page.locator("#filters summary").click()
    shoes = page.get_by_role("checkbox", name=re.compile("shoe"))
    shoes.check()
    expect(page.locator("#hits > li")).to_have_count(shop.count({"category": "shoe"}))
    page.get_by_label("price, from").fill("300")
    page.get_by_label("price, from").press("Enter")
    both = {"category": "shoe", "price": {"gte": 300}}
    expect(page.locator("#hits > li")).to_have_count(shop.count(both))
    expect(page.locator("#filtered")).to_have_text("2 on")
    page.get_by_label("price, from").fill("9999")
    page.get_by_label("price, from").press("Enter")
    expect(page.locator("#empty")).to_contain_text("No item passes these filters")
    page.locator("#empty").get_by_role("button", name="Reset filters").click()
    expect(page.locator("#hits > li")).to_have_count(36)
    page.get_by_label("date, to").fill("2024-01-15")
    page.get_by_label("date, to").press("Enter")
    expect(page.locator("#hits > li")).to_have_count(3)  # at ten o'clock of that day


def test_adding_replacing_and_deleting(visit, gallery, tmp_path):
    page = visit(gallery)
    files = []
    for number in range(3):
        files.append(tmp_path / f"new {number}.png")
        Image.new("RGB", (300, 200), (80 * number, 30, 90)).save(files[-1])
    page.locator("#add").click()
    page.locator("#add-files").set_input_files(files[:2])
    expect(page.locator("#add-status")).to_have_text("2 images done")
    expect(page.locator("#about")).to_contain_text("38 items")
    page.locator("#add-files").set_input_files(files[:1])
    expect(page.locator("#add-list")).to_contain_text("exists already")
    page.locator("#add-list").get_by_role("button", name="Replace").click()
    expect(page.locator("#add-list")).to_contain_text("replaced")
    page.keyboard.press("Escape")
    page.evaluate(GIVE, [list(files[2].read_bytes()), "drop", "new 2.png", "#drop-add"])
    expect(page.locator("#add-list")).to_contain_text("new 2.png")
    expect(page.locator("#about")).to_contain_text("39 items")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="new 0.png").click()
    expect(page.locator("#details-id")).to_have_text("new 0.png")
    page.locator("#delete").click()
    expect(page.locator("#delete-no")).to_be_focused()
    page.locator("#delete-no").click()
    assert gallery.count() == 39
    page.locator("#delete").click()
    page.locator("#delete-yes").click()
    expect(page.locator("#about")).to_contain_text("38 items")
    expect(page.get_by_role("button", name="new 0.png")).to_have_count(0)
    assert gallery.count() == 38


def test_details_and_more_like_this(visit, shop, pictures):
    page = visit(shop)
    page.locator("#hits .card").nth(2).click()
    expect(page.locator("#details")).to_be_visible()
    name = page.locator("#details-id").inner_text()
    expect(page.locator("#details-metadata")).to_contain_text("category")
    expect(page.locator("#details-image")).to_have_js_property("naturalWidth", 256)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#details-id")).not_to_have_text(name)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#details-id")).to_have_text(name)
    page.locator("#like").click()
    expect(page.locator("#heading")).to_have_text("More like this")
    names = page.locator("#hits .title").evaluate_all("all => all.map(one => one.title)")
    assert name not in names
    assert len(names) == 24


def test_probably_not_here(visit, draw, shop, drawings):
    page = visit(shop)
    draw(page, [[(8 + 8 * (n % 31), 8 + 8 * ((n * 5) % 31)) for n in range(60)]])
    expect(page.locator("#absent")).to_contain_text("Probably not in this gallery")
    page.locator("#clear").click()
    expect(page.locator("#absent")).to_be_hidden()
    draw(page, next(iter(drawings.values())).lines)
    expect(page.locator("#heading")).to_have_text("Nearest first")
    expect(first(page).locator("b")).to_have_text(re.compile(r"^>?[5-9]\d %$"))
    expect(page.locator("#absent")).to_be_hidden()


def test_an_upload_that_is_too_large_or_no_image_says_so(visit, gallery, tmp_path, pictures):
    page = visit(gallery)
    large = tmp_path / "large.png"
    large.write_bytes(b"x" * (33 * 2**20))
    page.locator("#add").click()
    page.locator("#add-files").set_input_files([large])
    expect(page.locator("#add-status")).to_have_text(
        re.compile("^0 of 1 image done, 1 failed: large.png has 33 MB of at most 32 MB")
    )
    text = tmp_path / "text.png"
    text.write_text("no image", encoding="utf-8")
    page.locator("#add-files").set_input_files([text])
    expect(page.locator("#add-list")).to_contain_text("is a text")
    expect(page.locator("#add-status")).to_contain_text("0 of 2 images done, 2 failed: see below")
    page.keyboard.press("Escape")
    page.locator("#file").set_input_files(large)
    expect(page.locator("#failure")).to_contain_text("33 MB of at most 32 MB")
    expect(page.locator("#results")).to_have_class("stale")
    expect(page.locator("#heading")).to_have_text("Before the failure")
    expect(page.locator("#hits")).to_have_css("opacity", "0.35")
    page.locator("#forget").click()
    expect(page.locator("#failure")).to_be_hidden()
    expect(page.locator("#hits")).to_have_css("opacity", "1")
    assert gallery.count() == 36


def test_without_the_token_nothing_is_changed(visit, shop, token):
    page = visit(shop, with_token=False)
    page.locator("#hits .card").first.click()
    expect(page.locator("#delete")).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("#add").click()
    expect(page.locator("#token-title")).to_have_text("Token needed")
    expect(page.locator("#token-wrong")).to_be_hidden()
    page.locator("#token-value").fill("another")
    page.keyboard.press("Enter")
    expect(page.locator("#token-title")).to_have_text("Wrong token")
    expect(page.locator("#token-wrong")).to_be_visible()
    page.locator("#token-value").fill(token)
    with page.expect_response(lambda answer: answer.url.endswith("/v1/gallery")):
        page.keyboard.press("Enter")
    page.wait_for_timeout(300)  # until the page has read that answer
    page.locator("#add").click()
    expect(page.locator("#adding")).to_be_visible()


def test_the_page_works_below_a_path_and_keeps_the_drawing(visit, draw, shop, drawings):
    page = visit(shop, below="/tools/shop")
    name, drawing = list(drawings.items())[5]
    draw(page, drawing.lines)
    found = re.compile(f"^1: {re.escape(name)}, ")
    expect(first(page)).to_have_attribute("aria-label", found)
    page.reload()
    strokes_on(page, len(drawing.lines))
    expect(first(page)).to_have_attribute("aria-label", found)
    expect(first(page).locator("img")).to_have_js_property("naturalWidth", 160)
    first(page).click()
    expect(page.locator("#details-image")).to_have_js_property("naturalWidth", 256)
    page.keyboard.press("Escape")
    page.locator("#clear").click()
    expect(page.locator("#heading")).to_have_text("Everything")
    page.reload()
    strokes_on(page, 0)


POINT = """([type, pointerType, pointerId, x, y, extra]) => {
    const canvas = document.querySelector("#canvas"), box = canvas.getBoundingClientRect();
    canvas.setPointerCapture = () => {}; // knows real pointers only
    canvas.dispatchEvent(new PointerEvent(type, {
        pointerType, pointerId, clientX: box.left + x, clientY: box.top + y,
        button: 0, buttons: 1, pressure: 0.5, bubbles: true, cancelable: true, ...extra,
    }));
}"""


def test_a_pen_wins_over_the_hand_and_what_is_cancelled_leaves_nothing(visit, shop):
    page = visit(shop)

    def point(kind, who, number, x, y, **extra):
        page.evaluate(POINT, [f"pointer{kind}", who, number, x, y, extra])

    def line(who, number, y, end="up", **extra):
        point("down", who, number, 20, y, **extra)
        point("move", who, number, 200, y, **extra)
        point(end, who, number, 200, y, **extra)

    line("touch", 1, 50)
    strokes_on(page, 1)
    line("touch", 2, 80, end="cancel")
    strokes_on(page, 1)
    expect(page.locator("#undo")).to_be_enabled()
    point("down", "touch", 3, 60, 90)  # the hand comes first, and stays
    point("move", "touch", 3, 90, 120)
    line("pen", 4, 150)
    point("up", "touch", 3, 90, 120)
    strokes_on(page, 2)
    line("touch", 5, 180)  # the hand again, just after the pen
    strokes_on(page, 2)
    line("pen", 4, 150, button=5, buttons=32)
    strokes_on(page, 1)
    page.keyboard.press("Control+z")
    strokes_on(page, 2)
    line("mouse", 9, 220, button=2, buttons=2)
    strokes_on(page, 2)


def test_the_token_leaves_the_address_and_stays_for_the_visit(visit, shop, token):
    page = visit(shop)
    assert token not in page.url
    page.reload()
    page.locator("#add").click()
    expect(page.locator("#adding")).to_be_visible()


def test_an_empty_gallery_says_how_to_begin(visit, empty_gallery):
    page = visit(empty_gallery)
    place = empty_gallery.place
    expect(page.locator("#empty pre")).to_have_text(
        f"cdim index PHOTOS -o {place}\ncdim serve {place}"
    )
    page.locator("#empty").get_by_role("button", name="Add images").click()
    expect(page.locator("#adding")).to_be_visible()


def test_an_empty_gallery_s_place_is_told_as_one_word_and_to_writers_only(
    visit, quick_bundle, tmp_path
):
    place = tmp_path / "Ann's shop"
    with Gallery.open(place, QuickEncoder(quick_bundle), create=True) as gallery:
        page = visit(gallery)
        told = page.locator("#empty pre").inner_text().splitlines()[1]
        assert shlex.split(told) == ["cdim", "serve", str(place)]
        page = visit(gallery, with_token=False)
        expect(page.locator("#empty pre")).to_contain_text("cdim serve GALLERY")
        expect(page.locator("#empty pre")).not_to_contain_text("Ann")
