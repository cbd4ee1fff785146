"""`cdim index`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb, stoppable
from cdim.cli.printing import say
from cdim.cli.progress import progress_bars
from cdim.errors import CdimError, UsageError, plural, printable

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery
    from cdim.find.index.sources import Listing, Source
    from cdim.find.index.summary import Summary

STOPPED = "indexed items are safe; the same command continues from there"
DEFAULT = "default"  # the model of a new gallery
SHOWN = 20  # lines that name files, of each kind
FIRST = 3  # names in a line


@click.command(cls=Verb)
@click.argument("source")
@click.option(
    "-o", "--out", "place", required=True, metavar="GALLERY", help="A folder, or a server's URL."
)
@click.option(
    "--model",
    metavar="BUNDLE",
    help="A bundle's folder or name; for a new gallery [default: default], or to mend the copy in "
    "one.",
)
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
@options.layout
@options.exclude
@options.data_root
@click.option("--keep", is_flag=True, help="Keep items whose file no longer exists.")
@click.option(
    "--prune",
    is_flag=True,
    help="Remove items whose file no longer exists, even if most are gone or their folder cannot "
    "be read.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--watch", is_flag=True, help="Keep running, and index what changes in the folder.")
@click.option("--verbose", is_flag=True, help="Name every file and row that is left out.")
@options.as_json
def index(
    source: str,
    place: str,
    model: str | None,
    dry_run: bool,
    watch: bool,
    verbose: bool,
    as_json: bool,
    keep: bool,
    prune: bool,
    **given: Any,
) -> None:
    """Make a gallery of SOURCE, or update it.

    SOURCE is a folder of images, or a dataset: one of `cdim data list`, a .csv or a zip. Of a
    dataset, `cdim index` uses the images of role gallery or both, or all where none has a role. It
    embeds new and changed images, removes items whose file no longer exists, and says what it left
    out. Where most files are gone, it removes nothing, and the exit code is 1.

    Ctrl-C loses no finished item; the same command continues.

    \b
    cdim index photos/ -o gallery
    cdim index photos/ -o gallery --metadata prices.csv --watch
    """  # noqa: D301 - click wants the character
    from cdim.find import watching
    from cdim.find.index import indexing
    from cdim.find.index.sources import Source

    # Damaged EXIF data does no harm: photos without a usable date take that of their file.
    warnings.filterwarnings("ignore", module="PIL")
    if watch and not Path(source).is_dir():
        raise UsageError(f"--watch for {source!r}", "a folder is watched", "leave --watch out")
    if watch and dry_run:
        raise UsageError("--watch with --dry-run", "a dry run is one look", "leave one out")
    wanted, how = Source(source, **given), {"keep": keep, "prune": prune}
    with stoppable(STOPPED), _opened(wanted, place, model, dry_run, prune) as (gallery, listing):
        with progress_bars() as progress:
            last = indexing.index(gallery, listing, dry_run=dry_run, progress=progress, **how)
        name, encoder = gallery.place, gallery.encoder if watch else None
    _report(last, name, as_json, verbose)
    if encoder is None:
        click.get_current_context().exit(1 if last.withheld else 0)
    say(f"watching {printable(source)}; Ctrl-C ends it", err=True)
    # How watching ends; what was indexed stays.
    with suppress(KeyboardInterrupt), progress_bars() as progress:
        for found in watching.watch(wanted, place, encoder, progress=progress, **how):
            if isinstance(found, CdimError):
                say(f"not up to date, trying again: {printable(found)}", err=True)
            else:
                seen = (found.unreadable, found.withheld)
                if found.changed or seen != (last.unreadable, last.withheld):
                    _report(found, name, as_json, verbose)
                last = found


@contextmanager
def _opened(
    wanted: Source, place: str, model: str | None, dry_run: bool, prune: bool
) -> Iterator[tuple[Gallery, Listing]]:
    """The gallery, and what the source holds; a mistake in the source leaves no gallery behind."""
    from cdim.bundles.bundle import load_bundle
    from cdim.find.gallery import Gallery
    from cdim.find.index.reading import check_some
    from cdim.find.stores.folder import check_free, is_gallery, open_folder

    url = place.startswith(("http://", "https://"))
    new = not url and not is_gallery(Path(place))
    bundle = load_bundle(model or DEFAULT) if model or new else None
    listing = None if bundle is None else wanted.listed(bundle)
    if listing is not None and (new or (url and not prune)):
        check_some(listing)
    if new and not model:
        say(f"a new gallery, of the model {DEFAULT}; --model takes another", err=True)
    with ExitStack() as closing:
        if new and dry_run:  # tried in a gallery that is thrown away
            check_free(Path(place), create=True)
            trial = Path(closing.enter_context(TemporaryDirectory()), "gallery")
            gallery = closing.enter_context(Gallery.open(trial, bundle, create=True))
            gallery.place = place
        elif dry_run and not url:
            made = Gallery(place, *open_folder(Path(place), bundle, create=False, mend=False))
            gallery = closing.enter_context(made)
        else:
            gallery = closing.enter_context(Gallery.open(place, bundle, create=not dry_run))
        yield gallery, listing or wanted.listed(gallery.bundle)


def _report(summary: Summary, place: str, as_json: bool, verbose: bool) -> None:
    """Prints what was done, and on stderr what was left out or left alone."""
    if as_json:
        say(json.dumps(summary.to_json()))
    else:
        _print(summary, place, verbose)
    shown = None if verbose else SHOWN
    lines = [f"{printable(name)}: {printable(why)}" for name, why in summary.unreadable.items()]
    if verbose:
        others = [o for o in summary.left_out if o.name not in summary.unreadable]
        lines += [f"{printable(name)}: {why}" for name, why in others]
    for line in lines[:shown]:
        say(f"left out: {line}", err=True)
    if len(lines[:shown]) < len(lines):
        say(f"left out: {len(lines) - SHOWN} more; see --verbose or --json", err=True)
    for note in _notes(summary, None if verbose else FIRST):
        say(note, err=True)


def _print(summary: Summary, place: str, verbose: bool) -> None:
    say(f"{printable(place)}: {summary}")
    for kind, ids in summary.ids.items() if summary.dry_run else ():
        for one in ids[: None if verbose else SHOWN]:
            say(f"  {kind}: {printable(one)}")
        if len(ids) > SHOWN and not verbose:
            say(f"  {kind}: {len(ids) - SHOWN} more; see --verbose or --json")


def _notes(summary: Summary, first: int | None) -> Iterator[str]:
    """What a user should know, a line each; `first` names are given, None for all."""
    if summary.left_out:
        from cdim.data import listing

        yield listing.summary(summary.left_out)
        if any(reason == listing.NO_GALLERY for _, reason in summary.left_out):
            yield (
                "the gallery alone was taken, for folders tell queries and gallery apart; "
                '--layout "**" takes every image'
            )
    if summary.pages:
        number = plural(sum(summary.pages.values()), "page or frame", "pages or frames")
        yield f"left out: {number} after the first of {_named(summary.pages, first, 'file')}"
    if summary.blank:
        yield (
            f"of one colour: {_named(summary.blank, first)}; nothing is found by it: look at the "
            "files, or leave them out (--exclude)"
        )
    if summary.unmatched:
        yield "no image for " + _named(
            sorted(summary.unmatched), first, "row of the metadata", "rows of the metadata"
        )
    if summary.by_hand:
        who = _named(summary.by_hand, first)
        yield f"not replaced: {who}; its image, given by hand, stays until its file changes"
    if summary.unclear:
        who = _named(summary.unclear, first)
        yield f"no metadata taken over: {who}; several files that are gone may have become it"
    if summary.withheld:
        who = _named(summary.withheld, first)
        yield (
            f"not removed: {who}, for {summary.why_withheld}: look whether that is meant, or "
            "remove them (--prune)"
        )


def _named(names: Iterable[str], first: int | None, word: str = "item", words: str = "") -> str:
    """How many names there are, and the first of them."""
    every = list(names)
    shown = ", ".join(map(printable, every[:first]))
    some = ", such as " if first and every[first:] else ": "
    return f"{plural(len(every), word, words)}{some}{shown}"
