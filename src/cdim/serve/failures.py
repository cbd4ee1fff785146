"""How failures look over HTTP: a status and {"error": {"code", "given", "allowed", "todo"}}."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from cdim.errors import CdimError, DataError, GalleryError, ImageError, ModelError, UsageError
from cdim.strict import shown

_KINDS: dict[type[CdimError], tuple[int, str]] = {
    UsageError: (422, "usage"),
    ImageError: (422, "image"),
    DataError: (422, "data"),
    ModelError: (422, "model"),
    GalleryError: (503, "gallery"),
}
_ALLOWED = {
    404: "the paths are those in /openapi.json",
    405: "the methods of each path are in /openapi.json",
}
_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}
GONE = 499
"""The status of a request whose client went away before it was answered."""


class Refused(CdimError):
    """A request that is answered with a status of its own.

    Args:
        status: of HTTP, 400 to 599.
        code: a word for programs.
        given, allowed, todo: as for `CdimError`.
    """

    def __init__(self, status: int, code: str, given: str, allowed: str, todo: str) -> None:
        super().__init__(given, allowed, todo)
        self.status = status
        self.code = code


def answer(error: CdimError, place: str = "") -> JSONResponse:
    """The response to a request that failed; of a path, it tells those without a token the name."""
    if isinstance(error, Refused):
        status, code = error.status, error.code
    else:
        known = (_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS)
        status, code = next(known, (500, "internal"))
    body = {"code": code, "given": error.given, "allowed": error.allowed, "todo": error.todo}
    if place:
        body = {key: text.replace(place, PurePath(place).name) for key, text in body.items()}
    # Names of files may have lone surrogates, and JSON may not.
    body = {key: text.encode("utf-8", "replace").decode() for key, text in body.items()}
    return JSONResponse({"error": body}, status, _HEADERS.get(status))


def not_valid(errors: Sequence[Any]) -> Refused:
    """The first thing that a request's model found wrong."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "the JSON"
    given = f"{where} = {shown(first['input'])}"
    return Refused(422, "validation", given, str(first["msg"]), "see /openapi.json")


def install(app: FastAPI) -> None:
    """Makes every failure of the app look alike, those of the framework included."""

    @app.exception_handler(CdimError)
    async def on_purpose(request: Request, error: CdimError) -> JSONResponse:
        here = request.app.state.served
        return answer(error, "" if here.access.knows(request.headers) else here.gallery.place)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(
            Refused(
                error.status_code,
                {404: "not-found", 405: "method"}.get(error.status_code, "http"),
                f"{request.method} {request.url.path}: {error.detail}",
                _ALLOWED.get(error.status_code, "requests follow /openapi.json"),
                "see /openapi.json",
            )
        )

    @app.exception_handler(RequestValidationError)
    async def of_validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(not_valid(error.errors()))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=GONE)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        return answer(
            Refused(
                500,
                "internal",
                f"the server failed ({type(error).__name__})",
                "this is a fault of cdim, not of the request",
                "look at what the server printed, and report it",
            )
        )
