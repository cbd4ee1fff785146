"""How much a request may bring, and what every answer forbids browsers to do."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdim.data.files import in_words
from cdim.serve.failures import Refused, answer

MAX_BYTES = 32 * 2**20  # most bytes of a request's body
MAX_VIEWS = 16  # most images, drawings and items that make one query
MAX_STROKES = 4_000  # most strokes of a drawing
MAX_HITS = 200  # most hits of a search
MAX_PAGE = 500  # most items of a page of the list
MAX_ID = 1_000  # most characters of an item's id

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Nothing stale after an upgrade or a change: browsers revalidate files by their tags.
    "Cache-Control": "no-cache",
}


class Headed:
    """Adds the headers that keep the page to itself, and answers HEAD like GET, without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands on, and adds them to the answer."""
        head = scope["type"] == "http" and scope["method"] == "HEAD"

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
            await send({**message, "body": b""} if head and "body" in message else message)

        await self._app({**scope, "method": "GET"} if head else scope, receive, headed)


class Limited:
    """Refuses bodies of more than `MAX_BYTES` with 413, whether they say their length or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said) > MAX_BYTES:
            await self._refuse(scope, receive, send)
            return
        taken, refused, started = 0, False, False

        async def counted() -> Message:
            nonlocal taken, refused
            message = await receive()
            taken += len(message.get("body", b""))
            if taken <= MAX_BYTES or started:
                return message
            if not refused:
                refused = True
                await self._refuse(scope, receive, send)
            return {"type": "http.disconnect"}

        async def unless_refused(message: Message) -> None:
            nonlocal started
            if not refused:
                started = True
                await send(message)

        try:
            await self._app(scope, counted, unless_refused)
        except Exception:
            if not refused:
                raise

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = Refused(
            413,
            "too-large",
            f"a request of more than {in_words(MAX_BYTES)}",
            f"at most {in_words(MAX_BYTES)} are taken",
            "make the image smaller, or send fewer at once",
        )
        await answer(refusal)(scope, receive, send)
