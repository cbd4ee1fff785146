"""What was found, as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdim.find.items import Found, Like, Look

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery


@dataclass(frozen=True)
class Search:
    """One search and what it found.

    Args:
        names: of the query's views, for people.
        views: the views themselves, pooled to one query.
        found: what it found.
    """

    names: tuple[str, ...]
    views: tuple[Look | Like, ...]
    found: Found


def write(searches: Sequence[Search], gallery: Gallery, path: Path) -> None:
    """Writes the page: every search with its hits, nearest first.

    Args:
        searches: one or more.
        gallery: where they searched; it has the thumbnails.
        path: the HTML file to write.

    Raises:
        DataError: the page cannot be written.
        UsageError: an item has gone since the search.
    """
    import jinja2

    from cdim.report import write_whole
    from cdim.report_page import data_uri

    def stored(item: str) -> str:
        thumbnail = gallery.get(item).thumbnail
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail).decode("ascii")

    def seen(view: Look | Like) -> str:
        return stored(view.id) if isinstance(view, Like) else data_uri(view.pixels)

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cdim.find", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html.j2").render(
        searches=searches, place=gallery.place, seen=seen, stored=stored
    )
    write_whole(path, html.encode("utf-8", "backslashreplace"))
