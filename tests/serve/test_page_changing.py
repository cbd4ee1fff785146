"""The page while things change: late answers, items that come and go, uploads that run."""

from __future__ import annotations

import re

from PIL import Image
from playwright.sync_api import expect


def first(page):
    return page.locator("#hits > li .card").first


def test_a_late_answer_does_not_replace_a_newer_one(visit, draw, shop, drawings):
    page = visit(shop)
    (_, before), (name, drawing) = list(drawings.items())[8:10]
    held = []

    def hold_first(route):
        held.append(route) if not held else route.continue_()

    page.route("**/v1/search", hold_first)
    draw(page, before.lines[:1])
    page.wait_for_timeout(300)
    assert len(held) == 1
    page.keyboard.press("Control+z")
    draw(page, drawing.lines)
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(name)}, "))
    held[0].abort()
    page.wait_for_timeout(200)
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(name)}, "))


def test_a_late_page_of_items_does_not_replace_a_newer_search(visit, shop):
    page = visit(shop)
    held = []

    def in_tens(route):
        if "after=" in route.request.url:
            held.append(route)
        else:
            route.continue_(url=route.request.url.replace("limit=48", "limit=10"))

    page.route("**/v1/items?*", in_tens)
    page.reload()
    expect(page.locator("#hits > li")).to_have_count(10)
    with page.expect_request(lambda asked: "after=" in asked.url):
        page.locator("#more").click()
    page.locator("#more").click()  # once is enough
    page.locator("#filters summary").click()
    page.get_by_role("checkbox", name=re.compile("shoe")).check()
    expect(page.locator("#heading")).to_have_text("Filtered")
    shoes = min(10, shop.count({"category": "shoe"}))
    expect(page.locator("#hits > li")).to_have_count(shoes)
    assert len(held) == 1
    held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#hits > li")).to_have_count(shoes)
    page.locator("#reset").click()
    expect(page.locator("#heading")).to_have_text("Everything")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    with page.expect_request(lambda asked: "after=" in asked.url):
        page.locator("#more").click()
    page.wait_for_timeout(200)
    assert len(held) == 2
    held[1].continue_()
    expect(page.locator("#hits > li")).to_have_count(36)


def test_a_late_thumbnail_does_not_replace_a_newer_picture(visit, shop, pictures):
    page = visit(shop)
    held = []
    page.route("**/v1/thumbnails/*", lambda route: held.append(route))
    page.reload()
    first(page).click()
    page.locator("#like").click()
    expect(page.locator("#chosen-name")).to_contain_text("like ")
    page.locator("#file").set_input_files(next(iter(pictures.values())))
    shown = page.locator("#chosen-image").get_attribute("src")
    assert shown.startswith("blob:")
    for route in held:
        route.continue_()
    expect(first(page).locator("img")).to_have_js_property("naturalWidth", 160)
    page.wait_for_timeout(200)
    expect(page.locator("#chosen-image")).to_have_attribute("src", shown)


def test_filters_stay_when_an_item_goes(visit, gallery):
    page = visit(gallery)
    page.locator("#filters summary").click()
    page.get_by_role("checkbox", name=re.compile("shoe")).check()
    page.get_by_label("price, from").fill("20")
    page.get_by_label("price, from").press("Enter")
    both = {"category": "shoe", "price": {"gte": 20}}
    expect(page.locator("#hits > li")).to_have_count(before := gallery.count(both))
    shoes = gallery.count({"category": "shoe"})
    first(page).click()
    page.locator("#delete").click()
    page.locator("#delete-yes").click()
    expect(page.locator("#about")).to_contain_text("35 items")
    box = page.get_by_role("checkbox", name=re.compile(f"shoe ?{shoes - 1}$"))
    expect(box).to_be_checked()
    expect(page.get_by_label("price, from")).to_have_value("20")
    expect(page.locator("#filtered")).to_have_text("2 on")
    expect(page.locator("#hits > li")).to_have_count(before - 1)
    page.get_by_role("checkbox", name=re.compile("bag")).check()
    more = {"category": ["shoe", "bag"], "price": {"gte": 20}}
    expect(page.locator("#hits > li")).to_have_count(gallery.count(more))
    page.locator("#reset").click()
    expect(box).not_to_be_checked()
    expect(page.locator("#hits > li")).to_have_count(35)


def test_what_is_typed_into_a_filter_stays_when_an_item_comes(visit, gallery, tmp_path):
    page = visit(gallery)
    Image.new("L", (30, 20), 90).save(tmp_path / "new.png")
    held = []

    def hold_first(route):
        held.append(route) if not held else route.continue_()

    page.route("**/v1/items", hold_first)
    gallery.update("shoe/0.png", metadata={"category": "boot"})  # another facet than was told
    page.locator("#filters summary").click()
    page.locator("#add").click()
    page.locator("#add-files").set_input_files(tmp_path / "new.png")
    expect(page.locator("#add-status")).to_have_text("0 of 1 image…")
    page.keyboard.press("Escape")
    low = page.get_by_label("price, from")
    low.press_sequentially("300")
    held[0].continue_()
    expect(page.get_by_role("checkbox", name=re.compile("boot"))).to_be_visible()
    expect(low).to_have_value("300")
    expect(low).to_be_focused()
    expect(page.locator("#hits > li")).to_have_count(gallery.count({"price": {"gte": 300}}))


def test_a_filter_goes_with_the_last_item_that_has_its_value(visit, gallery):
    name = next(item.id for item in gallery.items({"category": "shoe"})[0])
    gallery.update(name, metadata={"category": "boot"})
    page = visit(gallery)
    page.locator("#filters summary").click()
    page.get_by_role("checkbox", name=re.compile("boot")).check()
    expect(page.locator("#hits > li")).to_have_count(1)
    first(page).click()
    page.locator("#delete").click()
    page.locator("#delete-yes").click()
    expect(page.locator("#filtered")).to_have_text("")
    expect(page.locator("#hits > li")).to_have_count(35)


def test_progress_goes_on_when_the_dialog_is_opened_again(visit, gallery, tmp_path):
    page = visit(gallery)
    held = []

    def hold_first(route):
        held.append(route) if not held else route.continue_()

    page.route("**/v1/items", hold_first)
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file in files:
        Image.new("L", (30, 20), 90).save(file)
    page.locator("#add").click()
    page.locator("#add-files").set_input_files(files)
    expect(page.locator("#add-status")).to_have_text("0 of 2 images…")
    page.keyboard.press("Escape")
    page.locator("#add").click()
    expect(page.locator("#add-status")).to_have_text("0 of 2 images…")
    held[0].continue_()
    expect(page.locator("#add-status")).to_have_text("2 images done")
    expect(page.locator("#add-list > li")).to_have_count(2)
    page.keyboard.press("Escape")
    page.locator("#add").click()
    expect(page.locator("#add-status")).to_have_text("")
    expect(page.locator("#add-list > li")).to_have_count(0)
