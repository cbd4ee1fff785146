"""POST /v1/search."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from cdim.bundles.queries import QueryImage, read_query
from cdim.find.items import Like
from cdim.serve import bodies
from cdim.serve.failures import Refused
from cdim.serve.limits import MAX_VIEWS
from cdim.serve.models import SearchAnswer, SearchRequest
from cdim.serve.served import served

router = APIRouter(prefix="/v1", tags=["search"])
_FORM = {
    "search": "The JSON object of a search; its query may be left out.",
    "domain": "Of the images, such as photo or sketch; guessed without it.",
}


@router.post(
    "/search",
    response_model=SearchAnswer,
    openapi_extra=bodies.described(SearchRequest, _FORM),
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

    given = [(view.source(), view.domain) for view in views]
    given += [(data, domain) for data in images]

    def read(source: Any, named: str | None) -> QueryImage | Like:
        return (
            source if isinstance(source, Like) else read_query(source, named, here.gallery.bundle)
        )

    works = [partial(read, *each) for each in given]
    if any(isinstance(source, bytes) for source, _ in given):
        query = await here.decoding(*works)
    else:  # strokes never wait for images
        query = await run_in_threadpool(lambda: [work() for work in works])

    how = {name: getattr(asked, name) for name in SearchRequest.model_fields if name != "query"}
    find = partial(here.gallery.search, query, **how)
    told = (await here.in_turn(request, find)).to_json()
    for hit in told["hits"]:
        hit["source"] = here.named(request, hit["source"])
    return told


async def _read(request: Request) -> tuple[SearchRequest, list[bytes], str | None]:
    """The search, the images beside it, and the images' domain."""
    if bodies.kind(request, bodies.JSON, bodies.FORM) == bodies.JSON:
        return await bodies.parsed(SearchRequest, await request.body()), [], None
    texts, files = await bodies.form(request, _FORM)
    asked = await bodies.parsed(SearchRequest, texts.get("search", "{}"))
    return asked, [data for _, data in files], texts.get("domain")
