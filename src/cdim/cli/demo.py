"""`cdim demo`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from cdim.cli import options
from cdim.cli.failures import Verb
from cdim.cli.printing import say
from cdim.cli.progress import progress_bars


@click.command(cls=Verb)
@options.path(
    "--out",
    "Folder of the gallery, the sketch and the page of hits.",
    default=Path("runs", "demo"),
)
def demo(out: Path) -> None:
    """Make a gallery of 1,000 made-up products, and find them by sketch.

    Takes a minute or two; the model comes with cdim. A second call uses the gallery again.
    """
    from cdim.find import demo

    with progress_bars() as progress:
        made = demo.demo(out, progress)
    say(made)
    cdim = _command()
    say(f"the first {demo.SHOWN} searches, to look at: {made.page}")
    say(f"search with a sketch: {cdim} search {made.gallery} {made.sketch}")
    say(f"draw in a browser: {cdim} serve {made.gallery}")


def _command() -> str:
    """How to call this cdim from here: by its name where the shell finds it, else by its file."""
    beside = Path(sys.executable).parent
    found = shutil.which("cdim")
    if found and Path(found).parent == beside:
        return "cdim"
    script = beside / "cdim"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)
