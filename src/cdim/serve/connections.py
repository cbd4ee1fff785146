"""The connections of the server: how many, how long each may keep it waiting, and what is logged.

uvicorn closes no connection that sends nothing, or its headers letter by letter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 400
"""Connections at a time; systems allow a process 1,024 files, macOS 256 unless told."""
PATIENCE = 10
"""Seconds until the headers of a request have arrived, and until a client reads its answer."""
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


class Connection(H11Protocol):
    """A connection with a deadline; where there are too many, the one idle for longest ends.

    What waits for its client, for headers or a body, is idle. What is being answered stays.
    """

    _late: asyncio.TimerHandle
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Makes room for it."""
        super().connection_made(transport)
        self._expect()
        if len(self.connections) > MOST:
            idle = [one for one in self.connections if isinstance(one, Connection) and one.idle]
            min(idle, key=lambda one: one._since)._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets its deadlines."""
        self._late.cancel()
        self._written()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Starts a deadline with the first byte of a request, and ends it with the last header."""
        super().data_received(data)
        if not self._before_request:
            self._late.cancel()
        elif self._late.cancelled():
            self._expect()

    def pause_writing(self) -> None:
        """Sets a client that does not read its answer a deadline."""
        super().pause_writing()
        self._stuck = self.loop.call_later(PATIENCE, self.transport.abort)

    def resume_writing(self) -> None:
        """Ends that deadline."""
        super().resume_writing()
        self._written()

    @property
    def idle(self) -> bool:
        """Whether it waits for its client."""
        return self._before_request or self.cycle.more_body

    @property
    def _before_request(self) -> bool:
        # uvicorn's type leaves out that there is none at first.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _expect(self) -> None:
        self._since = time.monotonic()
        self._late = self.loop.call_later(PATIENCE, self.transport.abort)

    def _written(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()

    def _end(self) -> None:
        self.transport.write(_BUSY)
        self.transport.close()
        self.connections.discard(self)


class Sparing(logging.Filter):
    """Passes a few records a minute, and none about requests that a stop has ended."""

    def __init__(self, most: int = 20) -> None:
        super().__init__()
        self._most = most
        self._passed, self._since = 0, 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written; the last of a minute says that others follow."""
        error: Any = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):
            return False
        now = time.monotonic()
        if now - self._since >= 60:
            self._passed, self._since = 0, now
        self._passed += 1
        if self._passed == self._most:
            record.msg = f"{record.msg} (no more is written for a minute)"
        return self._passed <= self._most
