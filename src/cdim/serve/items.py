"""/v1/items and the pictures of items.

Ids may hold slashes, so pictures have paths of their own: an id that ends in "/thumbnail" would
be taken for another item's thumbnail otherwise.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from PIL import Image

from cdim.data.images import read
from cdim.errors import UsageError
from cdim.find.items import Item
from cdim.serve import bodies
from cdim.serve.failures import Refused
from cdim.serve.limits import MAX_PAGE
from cdim.serve.models import Change, ItemAnswer, ItemsAnswer, NewItem, Upload
from cdim.serve.served import served

router = APIRouter(prefix="/v1", tags=["items"])
PICTURE = 1600  # pixels of the longer side of a picture that is sent, at most
_FORM = {
    "id": "The item's id; the file's name without it.",
    "metadata": "A JSON object of what the item can be filtered by.",
    "domain": "Of the image; the gallery's without it.",
}


@router.get("/items", response_model=ItemsAnswer, summary="List items")
def list_items(
    request: Request,
    where: Annotated[str | None, Query(description="A filter, as a JSON object.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: Annotated[str | None, Query(description="`after` of the page before.")] = None,
) -> dict[str, Any]:
    """A page of the items that pass a filter, in a stable order."""
    chosen = bodies.parse(dict[str, Any], where) if where else None
    items, following = served(request).gallery.items(chosen, limit, after or None)
    return {"items": [_told(item) for item in items], "after": following}


@router.post(
    "/items",
    status_code=201,
    response_model=ItemAnswer,
    openapi_extra=bodies.both(NewItem, _FORM),
    summary="Add an item",
)
async def add_item(request: Request, replace: bool = False) -> dict[str, Any]:
    """Embeds an image and keeps it; an id that is taken is refused without `replace`.

    Of a replaced item, metadata that is not sent stays.
    """
    new, image = await _read(request)
    here = served(request)
    here.check()
    here.check_writable()

    def add() -> Item:
        with suppress(UsageError):
            if not replace and here.gallery.get(new.id).id:
                raise Refused(
                    409,
                    "taken",
                    f"the id {new.id!r}",
                    "there is an item of this id",
                    "give another id, or add ?replace=true",
                )
        here.gallery.add([image], [new.id], [new.metadata], new.domain)
        return here.item(new.id)

    return _told(await here.in_turn(request, add))


@router.get("/items/{id:path}", response_model=ItemAnswer, summary="Get an item")
def get_item(request: Request, id: str) -> dict[str, Any]:  # noqa: A002 - the field's word
    """An item's metadata."""
    return _told(served(request).item(id))


@router.patch("/items/{id:path}", response_model=ItemAnswer, summary="Change an item's metadata")
async def change_item(request: Request, id: str, change: Change) -> dict[str, Any]:  # noqa: A002
    """Sets the fields that are given, and removes those given as null."""
    here = served(request)
    here.check_writable()

    def update() -> Item:
        both = {**here.item(id).metadata, **change.metadata}
        kept = {name: value for name, value in both.items() if value is not None}
        return here.gallery.update(id, metadata=kept)

    return _told(await here.in_turn(request, update))


@router.delete("/items/{id:path}", status_code=204, summary="Remove an item")
async def remove_item(request: Request, id: str) -> Response:  # noqa: A002
    """Takes an item out of the gallery; its file stays."""
    here = served(request)
    here.check_writable()

    def remove() -> None:
        here.item(id)
        here.gallery.remove([id])

    await here.in_turn(request, remove)
    return Response(status_code=204)


@router.get("/thumbnails/{id:path}", summary="An item's thumbnail", response_class=Response)
def thumbnail(request: Request, id: str) -> Response:  # noqa: A002
    """A small JPEG."""
    return Response(served(request).item(id).thumbnail, media_type="image/jpeg")


@router.get("/images/{id:path}", summary="An item's picture", response_class=Response)
async def image(request: Request, id: str) -> Response:  # noqa: A002
    """The item's own file, decoded and written anew: nothing but an image leaves the machine."""
    here = served(request)

    def written() -> bytes:
        item = here.item(id)
        if not item.source:
            raise Refused(
                404,
                "no-image",
                f"{item.id!r} was given from memory",
                "only items of indexed files have a picture",
                "take its thumbnail",
            )
        picture = Image.fromarray(read(item.source))
        picture.thumbnail((PICTURE, PICTURE))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=88)
        return out.getvalue()

    return Response(await here.decoding(written), media_type="image/jpeg")


async def _read(request: Request) -> tuple[NewItem | Upload, bytes]:
    """The item and its image."""
    if bodies.kind(request) == bodies.JSON:
        new = bodies.parse(NewItem, await request.body())
        return new, new.image
    texts, files = await bodies.form(request, _FORM)
    if len(files) != 1:
        raise Refused(
            422,
            "validation",
            f"a form with {len(files)} files",
            "an item has one image",
            "send it as the part named image",
        )
    name, data = files[0]
    given: dict[str, Any] = {"id": name, **texts}
    if "metadata" in given:
        given["metadata"] = bodies.parse(dict[str, Any], given["metadata"])
    return bodies.parse(Upload, given), data


def _told(item: Item) -> dict[str, Any]:
    return {"id": item.id, "metadata": dict(item.metadata), "source": item.source}
