"""The page on a phone, in the dark, by keyboard, and read aloud."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect


def first(page):
    return page.locator("#hits > li .card").first


def strokes_on(page, count):
    name = f"{count} stroke{'s' if count != 1 else ''}" if count else "empty"
    expect(page.locator("#canvas")).to_have_attribute("aria-label", f"Drawing canvas, {name}")


def test_a_phone(visit, draw, shop, drawings):
    phone = {"width": 390, "height": 844}
    page = visit(shop, viewport=phone, has_touch=True, is_mobile=True, device_scale_factor=2)
    name, drawing = list(drawings.items())[1]
    draw(page, drawing.lines)
    expect(first(page)).to_have_attribute("aria-label", re.compile(f"^1: {re.escape(name)}, "))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert first(page).bounding_box()["y"] < 844
    finger = page.context.new_cdp_session(page)
    for kind, y in [("touchStart", 150), ("touchMove", 250), ("touchMove", 330), ("touchEnd", 0)]:
        points = [{"x": 195, "y": y}] if y else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    strokes_on(page, len(drawing.lines) + 1)
    assert page.evaluate("scrollY") == 0
    small = page.evaluate(
        """() => [...document.querySelectorAll("button")].filter((b) => b.checkVisibility()
            && b.getBoundingClientRect().height < 32).map((b) => b.outerHTML)"""
    )
    assert small == []


CONTRAST = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = channels(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        const seen = element.checkVisibility({visibilityProperty: true});
        if (!own || !seen || element.closest(":disabled, .skip")) continue;
        const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 80), ratio]);
    }
    return poor;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input, canvas, dialog, img")]
    .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.alt !== undefined
        || e.getAttribute("aria-labelledby")))
    .map((e) => e.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_names(visit, draw, shop, drawings, scheme):
    page = visit(shop, color_scheme=scheme)
    page.locator("#filters summary").click()
    assert page.evaluate(CONTRAST) == []
    draw(page, next(iter(drawings.values())).lines)
    expect(page.locator("#heading")).to_have_text("Nearest first")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []
    first(page).click()
    page.locator("#delete").click()
    assert page.evaluate(CONTRAST) == []


def test_the_theme_can_be_switched_and_stays(visit, shop):
    page = visit(shop, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.evaluate(ground) != light
    page.reload()
    assert page.evaluate(ground) != light
    page.locator("#theme").click()
    assert page.evaluate(ground) == light


def test_by_keyboard_alone(visit, shop):
    page = visit(shop)
    expect(page.locator("#hits > li")).to_have_count(36)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link to the results
    page.keyboard.press("Tab")
    expect(page.locator("#hits .card").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#details")).to_be_visible()
    for _ in range(8):
        page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
        assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(page.locator("#hits .card").first).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#shortcuts")).to_be_hidden()


def test_a_pen_s_pressure_shows(visit, shop):
    page = visit(shop)
    box = page.locator("#canvas").bounding_box()
    pen = page.context.new_cdp_session(page)
    ink = """() => {
        const canvas = document.querySelector("#canvas");
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 128).length;
    }"""
    drawn = []
    for force in (0.1, 0.9):
        for kind, x in [("mousePressed", 50), ("mouseMoved", 200), ("mouseReleased", 200)]:
            event = {"type": kind, "x": box["x"] + x, "y": box["y"] + 100, "force": force}
            buttons = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
            pen.send("Input.dispatchMouseEvent", {**event, **buttons})
        strokes_on(page, 1)
        drawn.append(page.evaluate(ink))
        page.keyboard.press("Delete")
        strokes_on(page, 0)
    assert drawn[1] > 1.5 * drawn[0] > 0
