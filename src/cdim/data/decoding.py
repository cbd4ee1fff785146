"""Many images decoded by threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


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
