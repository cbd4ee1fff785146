"""The page, REST and Python with the model that comes with cdim: one ranking."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from cdim.data.images import read
from cdim.data.synthetic import dataset
from cdim.find.gallery import Gallery


@pytest.fixture
def products(tmp_path):
    """Photos of 24 made-up products, searched with the model that comes with cdim."""
    rows = [row for row in dataset.manifest(24) if row.domain == "photo"]
    with Gallery.open(tmp_path / "products", "default", create=True) as opened:
        pixels = [read(row.source) for row in rows]
        opened.add(pixels, [f"{row.instance}.jpg" for row in rows])
        yield opened


def test_the_page_shows_titles(products, visit):
    for row in dataset.manifest(24).where(domain="photo"):
        products.update(f"{row.instance}.jpg", metadata={"title": row.metadata["title"]})
    page = visit(products)
    expect(page.locator("#hits .title").first).to_have_text(re.compile(r"^[a-z]+ [a-z ]+ \d{3}$"))
    page.locator("#hits .card").first.click()
    page.locator("#like").click()
    expect(page.locator("#chosen")).to_contain_text(re.compile(r"like [a-z]+ [a-z ]+ \d{3}"))
    best = re.compile(r"^1: [a-z]+ [a-z ]+ \d{3}, ")
    expect(page.locator("#hits .card").first).to_have_attribute("aria-label", best)


def test_the_page_rest_and_python_rank_alike(products, visit, draw):
    sketch = next(row for row in dataset.manifest(24) if row.domain == "sketch")
    page = visit(products)
    with page.expect_response("**/v1/search"):
        draw(page, dataset.strokes(sketch.source).lines)
    expect(page.locator("#hits .match").first).to_be_visible()
    with page.expect_response("**/v1/search") as answered:
        draw(page, [[(100, 100), (101, 101)]])
    asked = answered.value.request.post_data_json
    found = products.search(asked["query"][0], asked["k"])
    assert answered.value.json() == found.to_json()
    best = re.compile(f"^1: {re.escape(found.hits[0].item.id)}, ")
    expect(page.locator("#hits .card").first).to_have_attribute("aria-label", best)
    shown = page.locator("#hits .title").evaluate_all("all => all.map(one => one.title)")
    assert shown == [hit.item.id for hit in found.hits]
