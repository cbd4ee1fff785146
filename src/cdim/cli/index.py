"""`cdim index`."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb, stoppable
from cdim.cli.progress import progress_bars
from cdim.errors import CdimError, UsageError

if TYPE_CHECKING:
    from cdim.find.index.indexing import Summary

STOPPED = "indexed items are safe; the same command continues from there"
SHOWN = 20  # unreadable files that are named


@click.command(cls=Verb)
@click.argument("source")
@click.option(
    "-o", "--out", "place", required=True, metavar="GALLERY", help="A folder, or a server's URL."
)
@click.option("--model", metavar="BUNDLE", help="A bundle's folder or name; for a new gallery.")
@click.option(
    "--metadata", type=options.PATH, metavar="CSV", help="A table of metadata; see docs/gallery.md."
)
@click.option("--domain", help="Domain of the images [default: that of the model's galleries].")
@click.option(
    "--prefix",
    default="",
    show_default=False,
    metavar="NAME",
    help="Put NAME/ before every id. Use it for a second folder.",
)
@options.data_root
@click.option("--keep", is_flag=True, help="Keep items whose file no longer exists.")
@click.option("--watch", is_flag=True, help="Keep running, and index what changes in the folder.")
@options.as_json
def index(
    source: str,
    place: str,
    model: str | None,
    keep: bool,
    watch: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a gallery of SOURCE, or update it.

    SOURCE is a folder of images, or a dataset: one of `cdim data list`, a .csv or a zip. Of a
    dataset, `cdim index` uses the images of role gallery, or all where none has a role. It embeds
    new and changed images, removes items whose file no longer exists, and names unreadable images
    at the end.

    Ctrl-C loses no finished item; the same command continues.

    \b
    cdim index photos/ -o gallery --model default
    cdim index photos/ -o gallery --metadata prices.csv --watch
    """  # noqa: D301 - click wants the character
    from cdim.bundles.bundle import load_bundle
    from cdim.find import watching
    from cdim.find.gallery import Gallery
    from cdim.find.index import indexing
    from cdim.find.index.sources import Source

    # Damaged EXIF data does no harm: photos without a usable date take that of their file.
    warnings.filterwarnings("ignore", module="PIL")
    if watch and not Path(source).is_dir():
        raise UsageError(f"--watch for {source!r}", "a folder is watched", "leave --watch out")
    bundle = None if model is None else load_bundle(model)
    wanted = Source(source, **given)
    with stoppable(STOPPED):
        # A mistake in the source leaves no new gallery behind.
        listing = None if bundle is None else wanted.listed(bundle)
        with Gallery.open(place, bundle, create=True) as gallery:
            listing = wanted.listed(gallery.bundle) if listing is None else listing
            with progress_bars() as progress:
                last = indexing.index(gallery, listing, keep=keep, progress=progress)
            name, encoder = gallery.place, gallery.encoder if watch else None
    _report(last, name, as_json)
    if encoder is None:
        return
    click.echo(f"watching {_shown(source)}; Ctrl-C ends it", err=True)
    # How watching ends; what was indexed stays.
    with suppress(KeyboardInterrupt), progress_bars() as progress:
        for found in watching.watch(wanted, place, encoder, keep=keep, progress=progress):
            if isinstance(found, CdimError):
                click.echo(f"not up to date, trying again: {found}", err=True)
            else:
                if found.changed or found.unreadable != last.unreadable:
                    _report(found, name, as_json)
                last = found


def _report(summary: Summary, place: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(summary.to_json()))
    else:
        did = ", ".join(
            f"{getattr(summary, name)} {name}"
            for name in ("added", "replaced", "updated", "removed", "unchanged")
            if getattr(summary, name) or name == "added"
        )
        known = f" ({summary.reused} known by their content)" if summary.reused else ""
        click.echo(
            f"{_shown(place)}: {summary.items} items; {did}; {summary.embedded} embedded{known}"
        )
    for why in list(summary.unreadable.items())[:SHOWN]:
        click.echo("left out: {}: {}".format(*map(_shown, why)), err=True)
    if len(summary.unreadable) > SHOWN:
        click.echo(f"left out: {len(summary.unreadable) - SHOWN} more; see --json", err=True)
    if summary.unmatched:
        click.echo(
            f"no image for {len(summary.unmatched)} rows of the metadata, "
            f"such as {_shown(min(summary.unmatched))}",
            err=True,
        )


def _shown(text: str) -> str:
    """On one line, without what a terminal would obey: names of files may hold anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
