"""Bodies of requests: JSON, or a form with files, checked by the same models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from cdim.serve.failures import Refused, not_valid
from cdim.serve.limits import MAX_BYTES, MAX_VIEWS

M = TypeVar("M", bound=BaseModel)
_FIELDS = 8  # of a form, beside its files
JSON, FORM = "application/json", "multipart/form-data"
_OBJECT = TypeAdapter(dict[str, Any])


def kind(request: Request) -> str:
    """What a request's body is, `JSON` or `FORM`.

    Raises:
        Refused: 415, something else.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in (JSON, FORM):
        raise Refused(
            415,
            "media-type",
            f"a body of type {given!r}",
            f"{JSON} or {FORM}",
            "set the header Content-Type",
        )
    return given


def parse(model: type[M], text: bytes | str) -> M:
    """A model from JSON.

    Raises:
        Refused: 422, it is no JSON or not what the model takes.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise not_valid(error) from None


def check(model: type[M], values: dict[str, Any]) -> M:
    """A model from values.

    Raises:
        Refused: 422, not what the model takes.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise not_valid(error) from None


def table(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Refused: 422, it is none.
    """
    try:
        return _OBJECT.validate_json(text)
    except ValidationError as error:
        raise not_valid(error) from None


@asynccontextmanager
async def form(request: Request, fields: set[str], file: str) -> AsyncIterator[UploadForm]:
    """A form's fields and files.

    Args:
        request: with a body of kind `FORM`.
        fields: names of the fields it may have.
        file: name of the parts that are files.

    Raises:
        Refused: 422, another field, or a file in the place of a text.
    """
    most = {"max_files": MAX_VIEWS, "max_fields": _FIELDS, "max_part_size": MAX_BYTES}
    async with request.form(**most) as data:
        yield await UploadForm.read(data, fields, file)


class UploadForm:
    """The texts and files of a form.

    Args:
        texts: by field.
        files: name and content, in their order.
    """

    def __init__(self, texts: dict[str, str], files: list[tuple[str, bytes]]) -> None:
        self.texts = texts
        self.files = files

    @classmethod
    async def read(cls, data: FormData, fields: set[str], file: str) -> UploadForm:
        """Reads the parts."""
        texts: dict[str, str] = {}
        files: list[tuple[str, bytes]] = []
        for name, value in data.multi_items():
            if name == file and isinstance(value, UploadFile):
                files.append((value.filename or "", await value.read()))
            elif name in fields - texts.keys() and isinstance(value, str):
                texts[name] = value
            else:
                raise Refused(
                    422,
                    "validation",
                    f"the form's part {name[:80]!r}",
                    f"each once, as text: {', '.join(sorted(fields))}; as files: {file}",
                    "see /openapi.json",
                )
        return cls(texts, files)


def both(model: type[BaseModel], file: str, form_fields: dict[str, str]) -> dict[str, Any]:
    """The part of OpenAPI for a body: this model as JSON, or this form."""
    texts: dict[str, Any] = {
        name: {"type": "string", "description": said} for name, said in form_fields.items()
    }
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}},
                FORM: {"schema": {"type": "object", "properties": {**texts, file: files}}},
            },
        }
    }


def describe(app: FastAPI, *models: type[BaseModel]) -> None:
    """Puts models that `both` refers to into the app's OpenAPI."""
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
