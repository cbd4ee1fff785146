"""Progress bars on a terminal; nothing where stderr is a file or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Gives a function of (what, done, total) that draws a bar until all of it is done."""
    from tqdm import tqdm

    with ExitStack() as closing:
        bars: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bar = tqdm(desc=what, total=total, unit="", disable=None, leave=False)
                bars[what] = closing.enter_context(bar)
            bars[what].update(done - bars[what].n)
            if done == total:
                bars.pop(what).close()

        yield show
