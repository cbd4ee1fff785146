"""`cdim search`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say
from cdim.errors import UsageError, plural, printable

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery
    from cdim.find.page import PageSearch


def _weights(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> list[float] | None:
    """Reads "0.7,0.3"; the gallery checks their number and sum."""
    if text is None:
        return None
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(0 <= weight < math.inf for weight in found):
        raise click.BadParameter(f"{text!r} is no list of numbers from 0, such as 0.7,0.3")
    return found


@click.command(cls=Verb)
@click.argument("gallery")
@click.argument("queries", metavar="QUERY...", type=options.PATH, nargs=-1)
@click.option(
    "--like", multiple=True, metavar="ID", help="An item of the gallery as a query. Repeatable."
)
@click.option("--each", is_flag=True, help="Search for each query on its own, unpooled.")
@click.option(
    "--weights",
    callback=_weights,
    metavar="W,W",
    help="Weight of each query, those of --like last [default: equal].",
)
@click.option("--domain", metavar="NAME", help="Domain of the QUERY images [default: recognised].")
@click.option(
    "--where",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Search only items with this metadata: category=shoe, category=shoe,bag, price=10..50, "
    "date=2024-01-01..2024-06-30. Repeatable.",
)
@options.count("-k", "Number of hits.", default=10, metavar=None)
@click.option("--rerank", is_flag=True, help="Re-rank the nearest 200 by k-reciprocal neighbours.")
@options.count("--expand", "Search again with the query averaged with its N nearest items.")
@click.option(
    "--false-match-rate",
    type=click.FloatRange(0, 1),
    metavar="R",
    help="Return only hits above the threshold at which at most a fraction R of searches for an "
    "absent object return a match.",
)
@options.as_json
@click.option("--html", type=options.PATH, metavar="FILE", help="Write a page with the pictures.")
@click.option("--pictures", is_flag=True, help="Show the hits in the terminal.")
@options.url_model
def search(
    gallery: str,
    queries: tuple[Path, ...],
    like: tuple[str, ...],
    each: bool,
    weights: list[float] | None,
    domain: str | None,
    where: tuple[str, ...],
    as_json: bool,
    html: Path | None,
    pictures: bool,
    model: Path | None,
    **how: Any,
) -> None:
    """Search GALLERY with the QUERY files, nearest hits first.

    A QUERY is an image, an SVG, or strokes as .json or .ndjson. Several are views of one thing and
    are pooled, unless you give --each.

    \b
    cdim search gallery/ sketch.png
    cdim search gallery/ drawing.svg photo.jpg --weights 0.7,0.3 --where category=shoe
    cdim search gallery/ --like boots/12.jpg --html found.html
    """  # noqa: D301 - click wants the character
    _check(bool(queries or like), each, weights, as_json, pictures)
    from cdim.bundles.queries import QueryImage, read_query
    from cdim.find import filters
    from cdim.find.gallery import Gallery
    from cdim.find.items import Like
    from cdim.find.page import PageSearch, write

    conditions = filters.parse(where)
    with Gallery.open(gallery, model) as opened:
        views: list[QueryImage | Like] = [
            read_query(path, domain, opened.bundle) for path in queries
        ]
        views += [Like(item) for item in like]
        names = [click.format_filename(path) for path in queries] + [f"like {i}" for i in like]
        groups = [[row] for row in range(len(views))] if each else [list(range(len(views)))]
        searches = []
        how["expand"] = how["expand"] or 0
        for rows in groups:
            asked = [views[row] for row in rows]
            found = opened.search(asked, where=conditions, weights=weights, **how)
            searches.append(PageSearch(tuple(names[row] for row in rows), tuple(asked), found))
        if as_json:
            tables = [{"query": list(s.names), **s.found.to_json()} for s in searches]
            answer = {"searches": tables} if each else tables[0]
            say(json.dumps(answer, indent=2))
        else:
            for one in searches:
                _print(one, opened if pictures else None)
        if html is not None:
            write(searches, opened, html)
            say(f"the pictures: {html}", err=as_json)


def _check(asked: bool, each: bool, weights: object, as_json: bool, pictures: bool) -> None:
    """Refuses options that do not go together."""
    if not asked:
        raise UsageError(
            "nothing to search with",
            "a query is a file, or an item of the gallery",
            "name a QUERY, or give --like ID",
        )
    if each and weights is not None:
        raise UsageError(
            "--weights with --each", "weights are of views that are pooled", "leave one out"
        )
    if pictures and (as_json or not sys.stdout.isatty()):
        raise UsageError(
            "--pictures " + ("with --json" if as_json else "into a file or pipe"),
            "pictures are shown on a terminal",
            "leave it out, or use --html FILE",
        )


def _print(one: PageSearch, pictured: Gallery | None) -> None:
    """Prints what one search found, with pictures where their gallery is given."""
    from cdim.cli.pictures import picture

    found = one.found
    taken = f", taken as {', '.join(found.domains)}" if found.domains else ""
    where = f"in {plural(found.searched, 'item')}; distances: {found.distances}"
    say(f"{' + '.join(map(printable, one.names))}{taken}, {where}")
    for row, hit in enumerate(found):
        if pictured is not None:
            click.echo(picture(pictured.get(hit.id).thumbnail))
        say(found.line(row))
    for remark in found.remarks():
        say(remark)
