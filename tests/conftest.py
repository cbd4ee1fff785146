"""What every test may use, and the rule about skipped tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from cdim.data.synthetic import dataset

ROOT = Path(__file__).resolve().parent.parent
STRICT = os.environ.get("CDIM_STRICT") == "1"
# No test may fail because its machine is busy; hypothesis's own profile for CI says the same.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the benchmark files: CDIM_DATA, else shared/data beside the repository."""
    root = Path(os.environ.get("CDIM_DATA") or ROOT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip("no benchmark data: set CDIM_DATA")
    return root


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the caller's data root; one that needs it asks for `data_root`."""
    monkeypatch.delenv("CDIM_DATA", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _products_are_drawn_once() -> Iterator[None]:
    """Drawing is most of the cost of a test on made-up products, and gives the same every time.

    tests/data/test_synthetic.py, which tests the drawing, takes the cache away.
    """
    kept = functools.lru_cache(maxsize=2000)(dataset.render)

    @functools.wraps(dataset.render)
    def render(locator: str) -> Any:
        return kept(locator).copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "render", render)
        yield


def _refuse_skip(report: Any, allowed: bool) -> None:
    """In CI (CDIM_STRICT=1) everything is there, so a skipped test is a broken one."""
    if STRICT and report.skipped and not hasattr(report, "wasxfail") and not allowed:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CDIM_STRICT=1 does not allow: {why}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    _refuse_skip(outcome.get_result(), item.get_closest_marker("gpu") is not None)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, None]:
    outcome = yield
    _refuse_skip(outcome.get_result(), False)
