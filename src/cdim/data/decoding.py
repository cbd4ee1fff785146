"""Many images decoded by threads, within one budget of memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

BUDGET = 512 * 2**20
"""Bytes that all images take while they are decoded, in all threads of the process together."""
_taken = 0
_freed = threading.Condition()


@contextmanager
def room(size: int) -> Iterator[None]:
    """Waits until `size` bytes are free in the budget, and takes them for a while.

    More than the whole budget is given to one alone.
    """
    global _taken  # noqa: PLW0603 - there is one memory
    size = min(size, BUDGET)
    with _freed:
        _freed.wait_for(lambda: _taken + size <= BUDGET)
        _taken += size
    try:
        yield
    finally:
        with _freed:
            _taken -= size
            _freed.notify_all()


def decoded(read: Callable[[Job], Result], jobs: Iterable[Job], ahead: int) -> Iterator[Result]:
    """What `read` makes of each job, in the order of the jobs.

    Args:
        read: runs in several threads at a time.
        jobs: taken one by one, from the caller's thread.
        ahead: most jobs that start before the caller needs them; bounds the memory.

    Raises:
        What `read` raises, at that job's turn; jobs not begun by then never are.
    """
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(read, job))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
