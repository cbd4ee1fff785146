"""The pool of decoding threads: in order, bounded, and quiet after an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.data import decoding
from cdim.data.decoding import decoded, room


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_results_come_in_the_order_of_the_jobs(delays: list[int], ahead: int) -> None:
    def read(job: tuple[int, int]) -> int:
        time.sleep(job[1] / 1000)
        return job[0]

    assert list(decoded(read, enumerate(delays), ahead)) == list(range(len(delays)))


def test_no_more_jobs_are_taken_than_are_asked_for_and_a_few_ahead() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for job in range(50):
            assert threading.current_thread() is threading.main_thread()
            taken.append(job)
            yield job

    results = decoded(lambda job: job, jobs(), 3)
    for asked in range(5):
        assert next(results) == asked
        assert len(taken) == asked + 4
    results.close()  # type: ignore[attr-defined]
    assert len(taken) == 8


def test_an_error_comes_at_its_turn_and_stops_the_others() -> None:
    begun: list[int] = []

    def read(job: int) -> int:
        begun.append(job)
        if job == 2:
            raise ValueError("job 2")
        return job

    results = decoded(read, range(1000), 5)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="job 2"):
        next(results)
    assert len(begun) <= 8


def test_all_threads_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BUDGET", 100)
    now, lock, most = 0, threading.Lock(), []

    def take(size: int) -> int:
        nonlocal now
        with room(size):
            with lock:
                now += min(size, 100)
                most.append(now)
            time.sleep(0.001)
            with lock:
                now -= min(size, 100)
        return size

    sizes = [60, 30, 500, 1, 100, 45, 45, 45] * 5
    assert list(decoded(take, sizes, 16)) == sizes
    assert max(most) == 100
    with pytest.raises(KeyError), room(100):
        raise KeyError
    with room(100):  # it was given back
        pass
