"""`cdim check`."""

from __future__ import annotations

import json

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say
from cdim.cli.progress import progress_bars


@click.command(cls=Verb)
@click.argument("gallery")
@options.as_json
def check(gallery: str, as_json: bool) -> None:
    """Read all of a GALLERY and say whether it is what was written.

    Every item has a checksum of its vector, metadata and thumbnail. Searches, filters and the model
    are tried. The exit code is 0 if nothing is wrong, 1 for damaged items, and 2 if the gallery
    cannot be opened. Use it after a crash of the machine, or before you trust a copy.
    """
    from cdim.find.gallery import Gallery

    with Gallery.open(gallery) as opened, progress_bars() as progress:
        found = opened.check(progress)
    say(json.dumps(found.to_json(), indent=2) if as_json else str(found))
    if not found.sound:
        click.get_current_context().exit(1)
