"""`cdim index`."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cdim.cli import options
from cdim.cli.progress import progress_bar
from cdim.errors import CdimError, UsageError

if TYPE_CHECKING:
    from cdim.bundles.bundle import Bundle
    from cdim.find.gallery import Embeds, Gallery
    from cdim.find.index.indexing import Summary
    from cdim.find.index.sources import Listing

STOPPED = "stopped; what was indexed stays; the same command goes on from there"
AGAIN = 2.0  # seconds until a watched folder that could not be indexed is tried again
GRAPH = "building the search graph of a large gallery; Ctrl-C works when it is done"
PATIENCE = 2.0  # seconds before that is said
SHOWN = 20  # unreadable files that are named


@click.command()
@click.argument("source")
@click.option(
    "-o", "--out", "place", required=True, metavar="GALLERY", help="A folder, or a server's URL."
)
@click.option("--model", metavar="BUNDLE", help="A bundle's folder or name; for a new gallery.")
@click.option(
    "--metadata", type=options.PATH, metavar="CSV", help="More of each image: see docs/gallery.md."
)
@click.option("--domain", help="What the images are [default: what the model's galleries hold].")
@click.option(
    "--prefix", default="", metavar="NAME", help="Put NAME/ before every id: a second folder."
)
@options.data_root
@click.option("--keep", is_flag=True, help="Keep items whose file is gone.")
@click.option("--watch", is_flag=True, help="Keep running, and index what changes in the folder.")
@options.as_json
def index(
    source: str,
    place: str,
    model: str | None,
    metadata: Path | None,
    domain: str | None,
    prefix: str,
    data: Path | None,
    keep: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Make a gallery of SOURCE, or bring it up to date.

    SOURCE is a folder of images, or a dataset: one of `cdim data list`, a .csv or a zip. Its
    gallery images are indexed, or all where none has a role. Only what is new or changed is
    embedded; what is gone is removed. Images that cannot be read are named at the end.

    Ctrl-C leaves a whole gallery; the same command goes on.

    \b
    cdim index photos/ -o gallery --model default
    cdim index photos/ -o gallery --metadata prices.csv --watch
    """  # noqa: D301 - click wants the character
    from cdim.bundles.bundle import load_bundle
    from cdim.find.gallery import Gallery

    # Damaged EXIF data does no harm: photos without a usable date take that of their file.
    warnings.filterwarnings("ignore", module="PIL")
    if watch and not Path(source).is_dir():
        raise UsageError(f"--watch for {source!r}", "a folder is watched", "leave --watch out")
    given = None if model is None else load_bundle(model)
    prefix = prefix.rstrip("/")
    run = _Run(source, place, metadata, domain, f"{prefix}/" if prefix else "", data, keep)
    with _stopping():
        # A mistake in the source leaves no new gallery behind.
        listing = None if given is None else run.listed(given)
        with Gallery.open(place, given, create=given is not None) as gallery:
            summary, count = run.once(gallery, listing), gallery.count()
            encoder = gallery.encoder if watch else None
            name = gallery.place
        _report(summary, name, count, as_json)
    if encoder is not None:
        with suppress(KeyboardInterrupt):  # how watching ends; what was indexed stays
            run.watch(encoder, summary, as_json)


class _Run:
    """The arguments of a command that may index more than once."""

    def __init__(
        self,
        source: str,
        place: str,
        metadata: Path | None,
        domain: str | None,
        prefix: str,
        data: Path | None,
        keep: bool,
    ) -> None:
        self.source = source
        self.place = place
        self.metadata = metadata
        self.domain = domain
        self.prefix = prefix
        self.data = data
        self.keep = keep

    def listed(self, bundle: Bundle) -> Listing:
        """What there is to index, all of it of domains that the model knows."""
        from cdim.find.index import sources

        table = sources.Table() if self.metadata is None else sources.Table.read(self.metadata)
        listing = sources.listed(
            self.source, self.domain, bundle.gallery, table, self.prefix, self.data
        )
        for domain in {entry.domain for entry in listing.entries.values()}:
            bundle.taken_as(domain)
        return listing

    def once(self, gallery: Gallery, listing: Listing | None = None) -> Summary:
        """Indexes; what is there is listed where it is not given."""
        from cdim.find.index import indexing

        listing = self.listed(gallery.bundle) if listing is None else listing
        with progress_bar("images") as progress:
            summary = indexing.index(gallery, listing, keep=self.keep, progress=progress)
        note = threading.Timer(PATIENCE, click.echo, [GRAPH], {"err": True})
        note.start()
        try:
            gallery.optimise()
        finally:
            note.cancel()
        return summary

    def watch(self, encoder: Embeds, last: Summary, as_json: bool) -> None:
        """Indexes whenever the folder changes; the gallery is free for others in between."""
        from watchfiles import watch

        from cdim.find.gallery import Gallery

        click.echo(f"watching {_shown(self.source)}; Ctrl-C ends it", err=True)
        behind = True  # what changed before the watcher was there
        for changes in watch(
            self.source,
            rust_timeout=int(1000 * AGAIN),
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if not (changes or behind):
                continue
            try:
                with Gallery.open(self.place, encoder) as gallery:
                    summary, count = self.once(gallery), gallery.count()
                    name = gallery.place
                if summary.changed or summary.unreadable != last.unreadable:
                    _report(summary, name, count, as_json)
                last, behind = summary, False
            except CdimError as error:
                behind = True
                click.echo(f"not up to date, trying again: {error}", err=True)


def _report(summary: Summary, place: str, count: int, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**summary.to_json(), "items": count}))
    else:
        did = ", ".join(
            f"{getattr(summary, name)} {name}"
            for name in ("added", "replaced", "updated", "removed", "unchanged")
            if getattr(summary, name) or name == "added"
        )
        known = f" ({summary.reused} known by their content)" if summary.reused else ""
        click.echo(f"{_shown(place)}: {count} items; {did}; {summary.embedded} embedded{known}")
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


@contextmanager
def _stopping() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort(STOPPED) from None
