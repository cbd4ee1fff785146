"""Prometheus metrics of one server."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = {"GET", "POST", "PATCH", "DELETE"}


class Timed:
    """Measures every request under the route that answered it, so that ids make no labels.

    The registry gets that, and what `items` and `ready` say when the metrics are read.
    """

    def __init__(
        self,
        app: ASGIApp,
        registry: CollectorRegistry,
        items: Callable[[], int],
        ready: Callable[[], bool],
    ) -> None:
        self._app = app
        self._requests = Histogram(
            "cdim_request_seconds",
            "Time until a request was answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        held = Gauge("cdim_items", "Items of the gallery.", registry=registry)
        held.set_function(items)
        loaded = Gauge("cdim_ready", "1 where the model is loaded.", registry=registry)
        loaded.set_function(ready)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measures."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            labels = (method, route, str(status))
            self._requests.labels(*labels).observe(time.perf_counter() - start)
