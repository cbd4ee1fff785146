"""Progress bars on a terminal; nothing where stderr is a file or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function of (what, done, total) that draws a bar for each thing that is done."""
    from tqdm import tqdm

    with ExitStack() as closing:
        bars: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = closing.enter_context(
                    tqdm(desc=what, unit="", disable=None, leave=False)
                )
            bars[what].total = total
            bars[what].update(done - bars[what].n)

        yield show


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function of (done, total) that draws one bar."""
    with progress_bars() as show:
        yield partial(show, what)
