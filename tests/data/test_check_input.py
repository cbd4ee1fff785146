from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cdim.data.check.findings import Problem
from cdim.data.check.table import check
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import Dataset

DOCS = Path(__file__).resolve().parents[2] / "docs" / "data-check.md"
CODES = {"shape-unlike-input", "small-for-input"}


def found(*shapes: tuple[int, int], size: tuple[int, int] | None, role: str = "") -> list[Problem]:
    """Findings about the input, of noise in these shapes (h, w)."""
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    table = Manifest.build(pixels, range(len(shapes)), role=role)
    problems = check(Dataset("noise", table), size=size).problems
    return [problem for problem in problems if problem.code in CODES]


@pytest.mark.parametrize(
    ("shape", "codes"),
    [
        ((128, 64), set()),  # Market-1501
        ((256, 128), set()),
        ((1024, 512), set()),
        ((130, 129), set()),  # just above square
        ((200, 200), {"shape-unlike-input"}),
        ((240, 320), {"shape-unlike-input"}),
        ((255, 64), set()),
        ((256, 64), {"shape-unlike-input"}),
        ((65, 33), set()),
        ((64, 40), {"small-for-input"}),
        ((80, 32), {"small-for-input"}),
        ((64, 64), {"small-for-input", "shape-unlike-input"}),
    ],
)
def test_for_an_input_of_256_x_128(shape: tuple[int, int], codes: set[str]) -> None:
    assert {problem.code for problem in found(shape, size=(256, 128))} == codes


def test_what_is_said() -> None:
    unlike, small = found((128, 64), (60, 90), (40, 80), size=(256, 128))
    assert (unlike.count, small.count) == (2, 2)
    assert unlike.examples[0].endswith("90 x 60 pixels")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+)", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    for problem in (unlike, small):
        assert problem.level == dict(rows)[problem.code] == "warning"
        assert "256 high and 128 wide" in problem.what
        for sentence in (problem.what, problem.why, problem.todo):
            assert sentence.endswith(".")


def test_without_an_input_nothing_is_said_and_junk_is_passed_over() -> None:
    assert found((40, 80), size=None) == []
    assert found((40, 80), size=(256, 128), role="junk") == []
