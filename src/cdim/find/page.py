"""What a search found, as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

import jinja2

from cdim.data.images import read
from cdim.find.search import Found
from cdim.report import write_whole
from cdim.report_page import data_uri


def write(found: Found, path: Path) -> None:
    """Writes the page: every query with its hits, nearest first, and the files left out.

    Raises:
        ImageError: a file has gone since the search.
        DataError: the page cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cdim.find", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = {
        file: data_uri(read(str(file)))
        for query, hits in found.hits.items()
        for file in (query, *(hit.path for hit in hits))
    }
    html = environment.get_template("page.html.j2").render(found=found, pictures=pictures)
    write_whole(path, html.encode("utf-8", "backslashreplace"))
