"""/v1/items and the pictures of items.

Ids may hold slashes, so pictures have paths of their own: an id that ends in "/thumbnail" would
be taken for another item's thumbnail otherwise.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from PIL import Image

from cdim.data import content
from cdim.data.images import Files, place
from cdim.errors import CdimError, UsageError
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
    return {"items": [_told(request, item) for item in items], "after": following}


@router.post(
    "/items",
    status_code=201,
    response_model=ItemAnswer,
    openapi_extra=bodies.described(NewItem, _FORM),
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
    with Files() as opened:
        (read,) = await here.decoding(partial(content.read, image, opened))

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
        here.gallery.add([read], [new.id], [new.metadata], new.domain)
        return here.item(new.id)

    return _told(request, await here.in_turn(request, add))


@router.get("/items/{id:path}", response_model=ItemAnswer, summary="Get an item")
def get_item(request: Request, id: str) -> dict[str, Any]:  # noqa: A002 - the field's word
    """An item's metadata."""
    return _told(request, served(request).item(id))


@router.patch(
    "/items/{id:path}",
    response_model=ItemAnswer,
    openapi_extra=bodies.described(Change),
    summary="Change an item's metadata",
)
async def change_item(request: Request, id: str) -> dict[str, Any]:  # noqa: A002
    """Sets the fields that are given, and removes those given as null."""
    bodies.kind(request, bodies.JSON)
    change = await bodies.parsed(Change, await request.body())
    here = served(request)
    here.check_writable()

    def update() -> Item:
        both = {**here.item(id).metadata, **change.metadata}
        kept = {name: value for name, value in both.items() if value is not None}
        return here.gallery.update(id, metadata=kept)

    return _told(request, await here.in_turn(request, update))


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
    """The item's own file, decoded and written anew: nothing but an image leaves the machine.

    A gallery from somebody else may name any file of this machine: the hash proves that whoever
    made it had the file.
    """
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
        try:
            with Files() as opened:
                found = content.read(item.source, opened)
        except CdimError:
            if here.access.knows(request.headers):
                raise
            raise Refused(
                422,
                "image",
                f"the file of {id!r} cannot be read",
                "its reason is shown with the token",
                "ask with the token, or take the item's thumbnail",
            ) from None
        outside = (
            os.path.isdir(item.root)
            and Path(item.root) not in place(item.source, Path()).path.parents
        )
        if outside or found.digest != item.digest:
            raise Refused(
                404,
                "no-image",
                f"the file of {item.id!r} is not the one that was indexed",
                "a picture is an unchanged file of the indexed folder",
                "index the folder again, or take the item's thumbnail",
            )
        picture = Image.fromarray(found.pixels)
        picture.thumbnail((PICTURE, PICTURE))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=88)
        return out.getvalue()

    (picture,) = await here.decoding(written)
    return Response(picture, media_type="image/jpeg")


async def _read(request: Request) -> tuple[NewItem | Upload, bytes]:
    """The item and its image."""
    if bodies.kind(request, bodies.JSON, bodies.FORM) == bodies.JSON:
        new = await bodies.parsed(NewItem, await request.body())
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
        given["metadata"] = await bodies.parsed(dict[str, Any], given["metadata"])
    return bodies.parse(Upload, given), data


def _told(request: Request, item: Item) -> dict[str, Any]:
    source = served(request).named(request, item.source)
    return {"id": item.id, "metadata": dict(item.metadata), "source": source}
