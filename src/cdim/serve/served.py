"""The gallery that is served, and who works on it when."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from cdim.errors import CdimError, GalleryError, UsageError
from cdim.find.gallery import Gallery
from cdim.find.items import Item
from cdim.serve.access import Access
from cdim.serve.failures import GONE, Refused

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_DEADLINE = 8  # seconds until the images of a request are decoded, waiting included
_LONGEST = 100  # most requests that wait for the model


class Served:
    """One gallery, its model, and the turn to use the model.

    The model uses all cores for one batch, so requests take turns with it: side by side they
    would all be slower. Changes take the same turns.
    """

    def __init__(self, gallery: Gallery, access: Access) -> None:
        self.gallery = gallery
        self.access = access
        self.ready = False
        self._failure: CdimError | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, "cdim-decoder")

    def warm_up(self) -> None:
        """Loads the model beside the server, which answers other requests meanwhile."""
        # No daemon: an engine that is torn down while it loads takes the whole process with it, so
        # a server that stops meanwhile waits for it.
        threading.Thread(target=self._load, name="cdim-model").start()

    def _load(self) -> None:
        try:
            blank = np.full((64, 64), 255, dtype=np.uint8)
            self.gallery.encoder.encode_pixels([blank], self.gallery.bundle.query)
        except CdimError as error:
            self._failure = error
            _LOG.error("the model cannot be used: %s", error)
        except Exception as error:
            self._failure = CdimError(
                f"the model could not be loaded ({type(error).__name__})",
                "this is a fault of cdim or of this machine, not of the request",
                "look at what the server printed, and start it again",
            )
            _LOG.exception("the model could not be loaded")
        else:
            self.ready = True

    def check(self) -> None:
        """Refuses with 503 where the model could not be loaded."""
        if self._failure is not None:
            said = self._failure
            raise Refused(503, "model", said.given, said.allowed, said.todo)

    def check_writable(self) -> None:
        """Refuses with 403 where the gallery can only be read."""
        try:
            self.gallery.store.check_writable()
        except GalleryError as error:
            raise Refused(403, "read-only", error.given, error.allowed, error.todo) from None

    async def decoding(self, *works: Callable[[], T]) -> list[T]:
        """Does works that decode an image each: as many at once as there are cores.

        Raises:
            Refused: 503, they took too long; those not begun by then never are.
        """
        jobs = [self._decoders.submit(work) for work in works]
        try:
            done = asyncio.gather(*map(asyncio.wrap_future, jobs))
            return await asyncio.wait_for(done, _DEADLINE)
        except asyncio.TimeoutError:
            raise Refused(
                503,
                "busy",
                f"images that were not decoded within {_DEADLINE} seconds",
                "the images of a request are decoded by then, others before them included",
                "send smaller images, or send them again in a moment",
            ) from None
        finally:
            for job in jobs:
                job.cancel()

    async def in_turn(self, request: Request, work: Callable[[], T]) -> T:
        """Does work that uses the model or changes the gallery.

        Who has gone by the time it is their turn, as a page does at the next stroke, costs none.
        """
        if self._waiting >= _LONGEST:
            raise Refused(
                503,
                "busy",
                f"{_LONGEST} requests wait for the model",
                "more are not taken",
                "send it again in a moment",
            )
        self._waiting += 1
        try:
            async with self._turn:
                if await request.is_disconnected():
                    raise HTTPException(GONE, "the client has gone")
                return await run_in_threadpool(work)
        finally:
            self._waiting -= 1

    def named(self, request: Request, source: str) -> str:
        """Where an image is, for who has the token; for others the name of its file."""
        known = not os.path.isabs(source) or self.access.knows(request.headers)
        return source if known else os.path.basename(source)

    def item(self, id: str) -> Item:  # noqa: A002 - the field's word
        """An item; where there is none, the request is refused with 404."""
        try:
            return self.gallery.get(id)
        except UsageError:
            raise Refused(
                404, "not-found", f"no item {id!r}", "items are listed at /v1/items", "check the id"
            ) from None


def served(request: Request) -> Served:
    """What the app of a request serves."""
    found: Served = request.app.state.served
    return found
