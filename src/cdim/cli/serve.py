"""`cdim serve`."""

from __future__ import annotations

from typing import Any

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say
from cdim.errors import plural


@click.command(cls=Verb)
@click.argument("gallery")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--token",
    envvar="CDIM_TOKEN",
    metavar="TOKEN",
    help="Token required to change the gallery, and for every request when the server can be "
    "reached from other machines. Prefer the variable CDIM_TOKEN: other users can see command "
    "lines. [default: a new one, on this machine only]",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Answer to this name as well, such as that of a proxy in front; its requests need the "
    "token. Repeatable.",
)
@options.url_model
def serve(gallery: str, **how: Any) -> None:
    """Serve GALLERY to browsers, as a page to draw on, and to programs, as a REST API.

    \b
    cdim serve gallery/
    CDIM_TOKEN=... cdim serve gallery/ --host 0.0.0.0
    """  # noqa: D301 - click wants the character
    from cdim.serve import process

    def announce(address: str, items: int) -> None:
        say(f"{gallery}: {plural(items, 'item')} at {address}")
        say("Ctrl-C stops")

    process.serve(gallery, announce=announce, **how)
