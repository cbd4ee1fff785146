"""Searches and their hits, as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdim.bundles.queries import QueryImage
from cdim.data.thumbnails import data_uri, thumbnail
from cdim.disk import write_whole
from cdim.find.items import Like, SearchResult
from cdim.judge.templates import render

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery


@dataclass(frozen=True)
class PageSearch:
    """One search: the names of the query's views, for people, the views, and what was found."""

    names: tuple[str, ...]
    views: tuple[QueryImage | Like, ...]
    found: SearchResult


def write(searches: Sequence[PageSearch], gallery: Gallery, path: Path) -> None:
    """Writes an HTML file: every search with its hits, nearest first.

    The gallery is the one they searched; it has the thumbnails.

    Raises:
        DataError: the page cannot be written.
        UsageError: an item was removed since the search.
    """

    def stored(item: str) -> str:
        return data_uri(gallery.get(item).thumbnail)

    def seen(view: QueryImage | Like) -> str:
        return stored(view.id) if isinstance(view, Like) else data_uri(thumbnail(view.pixels))

    html = render(
        "cdim.find",
        "page.html.j2",
        searches=searches,
        place=gallery.place,
        seen=seen,
        stored=stored,
    )
    write_whole(path, html.encode("utf-8", "backslashreplace"))
