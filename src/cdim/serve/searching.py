"""POST /v1/search."""

from __future__ import annotations

import codecs
from typing import Any

from fastapi import APIRouter, Request

from cdim.bundles.bundle import Bundle
from cdim.data import drawings
from cdim.find.items import Found, Like, Look
from cdim.find.queries import drawn, read_query
from cdim.serve import bodies
from cdim.serve.failures import Refused
from cdim.serve.limits import MAX_VIEWS
from cdim.serve.models import SearchAnswer, SearchRequest, View
from cdim.serve.served import served

router = APIRouter(prefix="/v1", tags=["search"])
_FORM = {
    "search": "The JSON object of a search; its query may be left out.",
    "domain": "Of the images, such as photo or sketch; guessed without it.",
}


@router.post(
    "/search",
    response_model=SearchAnswer,
    openapi_extra=bodies.both(SearchRequest, "image", _FORM),
    summary="Find what a drawing, an image or an item shows",
)
async def search(request: Request) -> dict[str, Any]:
    """Ranks the gallery for a query; images of a form follow the views of its JSON."""
    asked, images, domain = await _read(request)
    here = served(request)
    here.check()
    views = asked.query
    if not 1 <= len(views) + len(images) <= MAX_VIEWS:
        raise Refused(
            422,
            "validation",
            f"a query of {len(views) + len(images)} views",
            f"it has 1 to {MAX_VIEWS}",
            "send strokes, an image, or an item's id",
        )

    def look() -> list[Look | Like]:
        bundle = here.gallery.bundle
        return [_view(view, bundle) for view in views] + [
            _image(data, domain, bundle) for data in images
        ]

    query = await here.decoding(look)

    def find() -> Found:
        return here.gallery.search(
            query,
            asked.k,
            asked.where,
            weights=asked.weights,
            rerank=asked.rerank,
            expand=asked.expand,
            false_match_rate=asked.false_match_rate,
        )

    return (await here.in_turn(request, find)).to_json()


async def _read(request: Request) -> tuple[SearchRequest, list[bytes], str | None]:
    """The search, the images beside it, and their domain."""
    if bodies.kind(request) == bodies.JSON:
        return bodies.parse(SearchRequest, await request.body()), [], None
    async with bodies.form(request, set(_FORM), "image") as form:
        asked = bodies.parse(SearchRequest, form.texts.get("search", "{}"))
        return asked, [data for _, data in form.files], form.texts.get("domain")


def _view(view: View, bundle: Bundle) -> Look | Like:
    if view.id is not None:
        return Like(view.id)
    if view.image is not None:
        return _image(view.image, view.domain, bundle)
    return drawn(drawings.from_value({"strokes": view.strokes}, "the drawing"), None, bundle)


def _image(data: bytes, domain: str | None, bundle: Bundle) -> Look:
    """An uploaded image; no format of pixels begins as an SVG does."""
    if data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
        return drawn(drawings.read_svg(data, "the drawing"), domain, bundle)
    return read_query(data, domain, bundle)
