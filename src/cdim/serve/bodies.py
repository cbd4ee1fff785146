"""Bodies of requests: JSON, or a form with files, checked by the same models."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

from cdim.serve.failures import Refused, not_valid
from cdim.serve.limits import MAX_BYTES, MAX_VALUES, MAX_VIEWS

T = TypeVar("T")
_FIELDS = 8  # of a form, beside its files
FILE = "image"  # name of a form's parts that are files
JSON, FORM = "application/json", "multipart/form-data"


def kind(request: Request, *allowed: str) -> str:
    """What a request's body is, of the kinds allowed; anything else is refused with 415."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise Refused(
            415,
            "media-type",
            f"a body of type {given!r}",
            " or ".join(allowed),
            "set the header Content-Type",
        )
    return given


async def parsed(kind: type[T], given: bytes | str | dict[str, Any]) -> T:
    """As `parse`, beside the event loop, which answers others meanwhile."""
    return await run_in_threadpool(parse, kind, given)


def parse(kind: type[T], given: bytes | str | dict[str, Any]) -> T:
    """A model or a table, from JSON or from values; what it does not take is refused with 422."""
    adapter = TypeAdapter(kind)
    try:
        if isinstance(given, dict):
            return adapter.validate_python(given)
        data = given.encode("utf-8", "replace") if isinstance(given, str) else given
        if (values := sum(map(data.count, (b",", b"[", b"{")))) > MAX_VALUES:
            raise Refused(
                422,
                "validation",
                f"JSON of {values:,} values",
                f"a request has at most {MAX_VALUES:,}",
                "send fewer drawings, or simplify them",
            )
        return adapter.validate_json(data)
    except ValidationError as error:
        raise not_valid(error.errors(include_url=False, include_context=False)) from None


async def form(
    request: Request, fields: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    """A form's texts by field, and its files: name and content, in their order.

    Args:
        request: with a body of kind `FORM`.
        fields: names of the fields it may have; files are parts of the name `FILE`.

    Raises:
        Refused: 422, another field, or a file in the place of a text.
    """
    most = {"max_files": MAX_VIEWS, "max_fields": _FIELDS, "max_part_size": MAX_BYTES}
    texts: dict[str, str] = {}
    files: list[tuple[str, bytes]] = []
    async with request.form(**most) as data:
        for name, value in data.multi_items():
            if name == FILE and isinstance(value, UploadFile):
                files.append((value.filename or "", await value.read()))
            elif name in fields and name not in texts and isinstance(value, str):
                texts[name] = value
            else:
                raise Refused(
                    422,
                    "validation",
                    f"the form's part {name[:80]!r}",
                    f"each once, as text: {', '.join(sorted(fields))}; as files: {FILE}",
                    "see /openapi.json",
                )
    return texts, files


def described(model: type[BaseModel], form_fields: dict[str, str] | None = None) -> dict[str, Any]:
    """The part of OpenAPI for a body: this model as JSON, or a form of these fields and files."""
    content: dict[str, Any] = {JSON: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    if form_fields is not None:
        texts: dict[str, Any] = {
            name: {"type": "string", "description": said} for name, said in form_fields.items()
        }
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        content[FORM] = {"schema": {"type": "object", "properties": {**texts, FILE: files}}}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI, *models: type[BaseModel]) -> None:
    """Puts models that `described` refers to into the app's OpenAPI."""
    usual = app.openapi

    def openapi() -> dict[str, Any]:
        said = usual()
        schemas = said["components"]["schemas"]
        for model in models:
            made = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(made.pop("$defs", {}))
            schemas[model.__name__] = made
        return said

    app.openapi = openapi  # type: ignore[method-assign]
