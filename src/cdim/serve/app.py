"""The app: routes, page, guards."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from cdim.find.gallery import Gallery
from cdim.serve import about, bodies, failures, items, searching
from cdim.serve.access import Access, Guard
from cdim.serve.limits import Headed, Limited
from cdim.serve.metrics import Timed
from cdim.serve.models import Change, NewItem, SearchRequest
from cdim.serve.served import Served
from cdim.version import __version__

STATIC = Path(str(resources.files("cdim.serve"))) / "static"
PUBLIC = frozenset(
    {"/", "/healthz", "/readyz"} | {f"/{file.name}" for file in STATIC.iterdir() if file.is_file()}
)
"""Paths that never need the token: the page's files hold nothing of the gallery."""


def build(gallery: Gallery, access: Access) -> ASGIApp:
    """The app that serves an open gallery by a rule of access.

    The model is loaded in the background from now on.
    """
    # Without the framework's own pages of documentation, which fetch scripts from elsewhere.
    app = FastAPI(title="cdim", version=__version__, docs_url=None, redoc_url=None)
    here = Served(gallery, access)
    app.state.served, app.state.registry = here, CollectorRegistry()
    for module in (searching, items, about):
        app.include_router(module.router)
    bodies.describe(app, SearchRequest, NewItem, Change)
    failures.install(app)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    here.warm_up()
    guarded = Guard(Limited(app), access)
    return Headed(Timed(guarded, app.state.registry, gallery.count, lambda: here.ready))
