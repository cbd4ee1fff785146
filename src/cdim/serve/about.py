"""What is served and how it is: the gallery, its facets, health and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cdim.find.filters import is_date
from cdim.find.gallery import MOST_VALUES, Gallery
from cdim.find.items import Value
from cdim.serve import bodies
from cdim.serve.limits import MAX_BYTES
from cdim.serve.models import Facet, GalleryAnswer
from cdim.serve.served import served

router = APIRouter()
VALUES = 100  # most values of a field that are told
SAMPLE = 200  # sampled items that show the kind of fields with too many values


@router.get("/v1/gallery", response_model=GalleryAnswer, tags=["gallery"], summary="What it is")
def gallery(request: Request) -> dict[str, Any]:
    """The gallery, its model, and what this request's token may do."""
    here = served(request)
    bundle = here.gallery.bundle
    may_write = here.access.knows(request.headers)
    return {
        "name": PurePath(here.gallery.place.rstrip("/")).name or "gallery",
        "place": here.gallery.place if may_write else None,
        "items": here.gallery.count(),
        "bundle": bundle.name,
        **{name: getattr(bundle, name) for name in ("fingerprint", "dim", "query", "gallery")},
        "domains": list(bundle.domains),
        "calibrated": bundle.calibration is not None,
        "may_write": may_write,
        "max_bytes": MAX_BYTES,
    }


@router.get("/v1/facets", response_model=list[Facet], tags=["gallery"], summary="What to filter by")
def facets(
    request: Request,
    where: Annotated[str | None, Query(description="A filter, as a JSON object.")] = None,
) -> list[dict[str, Any]]:
    """The fields of the items that pass a filter, with their values or ranges."""
    chosen = bodies.parse(dict[str, Any], where) if where else None
    here = served(request).gallery
    counted = here.facets(chosen, limit=MOST_VALUES)
    told = {field: _counted(field, counts) for field, counts in counted.items()}
    for field, values in _sampled(here, chosen).items():
        if field not in told and (kind := _kind(values)) != "value":
            told[field] = {"field": field, "kind": kind, "values": []}
    return [told[field] for field in sorted(told)]


@router.get("/healthz", tags=["health"], summary="Whether the server runs")
def healthz() -> dict[str, str]:
    """Always answers."""
    return {"status": "ok"}


@router.get("/readyz", tags=["health"], summary="Whether searches are answered at once")
def readyz(request: Request) -> Response:
    """503 until the model is loaded."""
    here = served(request)
    here.check()
    return JSONResponse({"ready": here.ready}, 200 if here.ready else 503)


@router.get("/metrics", tags=["health"], summary="Prometheus metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Requests by route and status, items, readiness."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


def _counted(field: str, counts: Sequence[tuple[Value, int]]) -> dict[str, Any]:
    """A field's kind, most frequent values and range."""
    values = [value for value, _ in counts]
    told: dict[str, Any] = {
        "field": field,
        "kind": _kind(values),
        "values": [{"value": value, "count": count} for value, count in counts[:VALUES]],
    }
    if told["kind"] == "number":
        numbers = [value for value in values if not isinstance(value, str)]
        return {**told, "low": min(numbers), "high": max(numbers)}
    if told["kind"] == "date":
        days = sorted(str(value)[:10] for value in values)
        return {**told, "low": days[0], "high": days[-1]}
    return told


def _sampled(gallery: Gallery, where: dict[str, Any] | None) -> dict[str, list[Value]]:
    """Values of some items by field; items lie in no order, so these represent all."""
    found: dict[str, list[Value]] = {}
    for item in gallery.items(where, SAMPLE)[0]:
        for field, value in item.metadata.items():
            found.setdefault(field, []).append(value)
    return found


def _kind(values: list[Value]) -> str:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "number"
    return "date" if all(is_date(value) for value in values) else "value"
