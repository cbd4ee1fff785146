"""How much a request may bring and how long, and what every answer forbids browsers to do."""

from __future__ import annotations

import asyncio
import time

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
MAX_NAMES = 1_000  # most fields of an object
MAX_VALUES = 1_000_000  # most values of a request's JSON
SECONDS = 120  # until a body has arrived
PAUSE = 10  # seconds without a byte of it
_SMALL = 2**18  # bytes of each body that are free
_BUDGET = 256 * 2**20  # bytes of all other bodies together

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
    """Refuses a body that is too large, comes too slowly, or has no room beside the others.

    More than `MAX_BYTES` are refused with 413, whether they say their length or not, a pause with
    408, and all bodies together share a budget of memory: 503 where it is used up.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        exchange = _Exchange(self, scope, receive, send)
        try:
            if said.isdecimal() and int(said) > MAX_BYTES:
                await exchange.refuse(_TOO_LARGE)
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:  # the server stops
            await exchange.refuse(_STOPPING)
        except Exception:
            if not exchange.refused:
                raise
        finally:
            self.held -= exchange.held


class _Exchange:
    """A request whose body is counted, and its one answer."""

    def __init__(self, limited: Limited, scope: Scope, receive: Receive, send: Send) -> None:
        self._limited, self._scope, self._receive, self._send = limited, scope, receive, send
        self._taken, self._whole, self._started = 0, False, False
        self._end = time.monotonic() + SECONDS
        self.refused = False

    @property
    def held(self) -> int:
        """Bytes of the body that count in the budget."""
        return max(0, self._taken - _SMALL)

    async def receive(self) -> Message:
        """A part of the body; a disconnect after one that was refused."""
        if self._whole:
            return await self._receive()
        try:
            patience = min(PAUSE, self._end - time.monotonic())
            message = await asyncio.wait_for(self._receive(), patience)
        except asyncio.TimeoutError:
            await self.refuse(_TOO_SLOW)
            return {"type": "http.disconnect"}
        self._whole = not message.get("more_body", False)
        before = self.held
        self._taken += len(message.get("body", b""))
        self._limited.held += self.held - before
        if self._taken > MAX_BYTES:
            await self.refuse(_TOO_LARGE)
        elif self.held and self._limited.held > _BUDGET:
            await self.refuse(_NO_ROOM)
        return {"type": "http.disconnect"} if self.refused else message

    async def send(self, message: Message) -> None:
        """Sends a part of the answer, unless the request was refused."""
        if not self.refused:
            self._started = True
            await self._send(message)

    async def refuse(self, why: Refused) -> None:
        """Answers with a refusal, unless there is an answer already."""
        if not (self._started or self.refused):
            self.refused = True
            await answer(why)(self._scope, self._receive, self._send)


_TOO_LARGE = Refused(
    413,
    "too-large",
    f"a request of more than {in_words(MAX_BYTES)}",
    f"at most {in_words(MAX_BYTES)} are taken",
    "make the image smaller, or send fewer at once",
)
_TOO_SLOW = Refused(
    408,
    "slow",
    "a request whose body comes too slowly",
    f"it arrives within {SECONDS} seconds, without a pause of {PAUSE}",
    "send less at once, or on a faster line",
)
_STOPPING = Refused(
    503,
    "busy",
    "a request that ran when the server stopped",
    "a stop leaves requests a few seconds",
    "send it again once the server runs",
)
_NO_ROOM = Refused(
    503,
    "busy",
    "a request beside many large ones",
    f"the bodies of all have at most {in_words(_BUDGET)} together",
    "send it again in a moment",
)
