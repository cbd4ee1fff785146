from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.data import triplets
from cdim.errors import DataError

NAMES = ["a", "b", "c", "d"]
ANSWERS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda p: p[0] != p[1]), max_size=12
    ),
    min_size=4,
    max_size=4,
)


def test_order_is_nearer_then_farther() -> None:
    found = triplets.from_pairs([[[2, 1]], [], [], []], NAMES)
    assert (found.anchor[0], found.nearer[0], found.farther[0]) == ("a", "c", "b")


def test_everything_odd_is_counted() -> None:
    pairs = [[[0, 1], [0, 1], [1, 0], [65535, 2], [2, 255]], [[2, 3], [3, 2]], [], []]
    found = triplets.from_pairs(pairs, NAMES)
    assert found.counts == triplets.Counts(
        given=7, sentinels=2, repeats=1, contradictions=1, reversals=4
    )
    assert len(found) == 5


def test_255_is_a_photo_where_there_are_more() -> None:
    names = [str(i) for i in range(300)]
    found = triplets.from_pairs([[[255, 1], [65535, 1]], *[[]] * 299], names)
    assert found.nearer.tolist() == ["255"]
    assert found.counts.sentinels == 1


@given(ANSWERS)
def test_agreed_against_a_plain_loop(pairs: list[list[tuple[int, int]]]) -> None:
    found = triplets.from_pairs(pairs, NAMES).agreed()
    expected = set()
    for i, answers in enumerate(pairs):
        votes = Counter(answers)
        for (n, f), count in votes.items():
            if f != i and (n == i or count > votes[f, n]):
                expected.add((NAMES[i], NAMES[n], NAMES[f]))
    rows = list(zip(found.anchor, found.nearer, found.farther, strict=True))
    assert len(rows) == len(set(rows))
    assert set(rows) == expected


@given(ANSWERS)
def test_counts_add_up(pairs: list[list[tuple[int, int]]]) -> None:
    found = triplets.from_pairs(pairs, NAMES)
    counts = found.counts
    assert counts.given == sum(map(len, pairs)) == len(found)
    assert counts.repeats == sum(len(a) - len(set(a)) for a in pairs)
    assert counts.contradictions == sum(f == i for i, a in enumerate(pairs) for _, f in a)


@pytest.mark.parametrize(
    "pairs",
    [
        [[], [], []],
        [[[0, 4]], [], [], []],
        [[[-1, 0]], [], [], []],
        [[[1, 1]], [], [], []],
        [[[1, 2, 3]], [], [], []],
        [[[1.5, 2]], [], [], []],
        [["12"], [], [], []],
        [[[True, 2]], [], [], []],
    ],
)
def test_lists_that_do_not_fit(pairs: list) -> None:
    with pytest.raises(DataError):
        triplets.from_pairs(pairs, NAMES)


def test_json() -> None:
    content = json.dumps({"train": {"triplets": [[[0, 1]], [], [], []]}}).encode()
    found = triplets.from_json(content, {"train": NAMES}, "x.json")["train"]
    assert np.array_equal(found.farther, ["b"])
    with pytest.raises(DataError, match=r"x\.json"):
        triplets.from_json(content, {"test": NAMES}, "x.json")
    with pytest.raises(DataError, match=r"x\.json"):
        triplets.from_json(content, {"train": NAMES[:2]}, "x.json")
    for bad in (content[:-9], b"\xff\xfe\x00", b"[]", b"null"):
        with pytest.raises(DataError, match=r"x\.json"):
            triplets.from_json(bad, {"train": NAMES}, "x.json")
