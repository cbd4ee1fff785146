"""What verbs print: text that any terminal, file or pipe takes."""

from __future__ import annotations

import sys
from contextlib import suppress

import click

from cdim.errors import printable


def say(text: object, err: bool = False) -> None:
    """Prints text, line by line, without what a terminal would obey; `err`: on stderr."""
    click.echo("\n".join(map(printable, str(text).split("\n"))), err=err)


def escape_what_cannot_be_printed() -> None:
    """Lets stdout escape characters that its encoding lacks, as stderr does, instead of failing."""
    with suppress(AttributeError):  # no stream, or one that is no file
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
