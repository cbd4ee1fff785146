"""The server as a process: address, signals, an orderly end."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from cdim.errors import UsageError
from cdim.find.gallery import Gallery
from cdim.serve.access import Access
from cdim.serve.app import PUBLIC, build
from cdim.serve.connections import Connection, Sparing

PATIENCE = 5  # seconds that running requests have to finish once the server stops
BACKLOG = 128  # connections that are accepted at once
LONGEST = 7.5  # seconds from then on until the process ends, on a busy machine within 10


class Server(uvicorn.Server):
    """A server that ends in time: nothing stops a thread that decodes an image."""

    closed = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to stop."""
        if not self.should_exit:
            late = threading.Timer(LONGEST, self._leave)
            late.daemon = True
            late.start()
        super().handle_exit(sig, frame)

    def _leave(self) -> None:
        if not self.closed:  # as after a kill, the gallery holds all that it acknowledged
            os.write(2, b"stopped while a request still ran; what it changed may be missing\n")
        os._exit(0 if self.closed else 1)


def serve(
    place: str | Path,
    *,
    host: str,
    port: int,
    token: str | None,
    model: str | Path | None,
    allow_host: Sequence[str] = (),
    announce: Callable[[str, int], None],
) -> None:
    """Serves a gallery until SIGTERM or SIGINT; then running requests finish and it is closed.

    The process ends within 10 seconds then, and with 1 where the gallery could not be closed.

    Args:
        place: the gallery's folder or URL.
        host, port: the address to bind; the port 0 is any free one.
        token: what may change the gallery; None makes one on a loopback address.
        model: a bundle, where the gallery does not keep its own.
        allow_host: names that it answers to as well, such as that of a proxy.
        announce: called with the page's address and the number of items once the server answers.

    Raises:
        UsageError: the address cannot be bound, or needs a token.
        CdimError: as `Gallery.open`.
    """
    access = Access.build(host, token, PUBLIC, allow_host)
    with _listen(host, port) as listening, Gallery.open(place, model) as gallery:
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).addFilter(Sparing())
        server = Server(config(build(gallery, access)))

        def stop(*_: object) -> None:
            server.should_exit = True

        # uvicorn has handlers of its own while it runs; after its orderly end it raises the
        # signal again, which would then be none.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}/"
        # A token that the caller chose is theirs to hand on, and does not belong into a log.
        announce(f"{address}#token={access.token}" if token is None else address, gallery.count())
        server.run(sockets=[listening])
        gallery.flush()
    server.closed = True


def config(app: ASGIApp) -> uvicorn.Config:
    """How an app is served: with deadlines for its connections."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=Connection,
        backlog=BACKLOG,
        timeout_graceful_shutdown=PATIENCE,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OverflowError:
        why = "ports go up to 65535"
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        why = "something else listens there" if busy else str(error.strerror or error)
    raise UsageError(
        f"cannot listen on {host}:{port}",
        why,
        "stop what uses it, or take another port",
        argument="port",
    )
