"""Every rule of the test sets on a set small enough to judge by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdim.errors import DataError, UsageError
from cdim.metrics.protocol import PROTOCOLS, Labels, pool_views, relevance

# One query, person 7 seen by camera 1, and one gallery item a rule.
ITEMS = {
    "right": (7, 2, False),
    "same camera": (7, 1, False),
    "another person, same camera": (8, 1, False),
    "another person, other camera": (8, 2, False),
    "distractor": (0, 3, False),
    "junk": (-1, 2, True),
    "junk, same camera": (-1, 1, True),
    "junk that is the person": (7, 3, True),
    "right again": (7, 3, False),
}
IDS, CAMERAS, JUNK = (np.array(column) for column in zip(*ITEMS.values(), strict=True))
LABELS = Labels(np.array([7]), IDS, np.array([1]), CAMERAS, JUNK, np.array([len(ITEMS) - 1]))
OWN = {"right", "same camera", "right again"}
ALL_JUNK = {name for name, (_, _, junk) in ITEMS.items() if junk}


def named(mask: Any) -> set[str]:
    return {name for name, yes in zip(ITEMS, mask, strict=True) if yes}


@pytest.mark.parametrize(
    ("protocol", "correct", "ignored"),
    [
        ("cross-camera", {"right", "right again"}, ALL_JUNK | {"same camera"}),
        ("any-camera", OWN, ALL_JUNK),
        ("leave-one-out", OWN - {"right again"}, ALL_JUNK | {"right again"}),
        ("instance", OWN | {"junk that is the person"}, set()),
    ],
)
def test_each_rule(protocol: str, correct: set[str], ignored: set[str]) -> None:
    found = relevance(protocol, LABELS)
    assert [named(mask[0]) for mask in found] == [correct, ignored]


def test_a_query_may_have_nothing_correct() -> None:
    for person, camera in ((9, 1), (8, 3)):
        labels = dataclasses.replace(
            LABELS, query_ids=np.array([person]), query_cameras=np.array([camera])
        )
        correct, _ = relevance("cross-camera", labels)
        assert correct.any() == (person == 8)
    only = Labels(*(np.array([1]),) * 4, np.array([False]))
    assert not relevance("cross-camera", only)[0].any()
    assert relevance("any-camera", only)[0].all()


@given(
    st.sampled_from(PROTOCOLS),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=6),
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), min_size=1, max_size=8
    ),
)
def test_slices_and_single_items_agree(protocol: str, queries: Any, gallery: Any) -> None:
    labels = Labels(
        *(np.array([person for person, *_ in side]) for side in (queries, gallery)),
        *(np.array([camera for _, camera, *_ in side]) for side in (queries, gallery)),
        np.array([junk for *_, junk in gallery]),
        np.arange(len(queries)) - 1,
    )
    correct, ignored = relevance(protocol, labels)
    assert not (correct & ignored).any()
    for row, (person, camera) in enumerate(queries):
        one = relevance(protocol, labels, slice(row, row + 1))
        assert np.array_equal(one, [correct[row : row + 1], ignored[row : row + 1]])
        for column, (other, place, junk) in enumerate(gallery):
            out = {
                "instance": False,
                "any-camera": junk,
                "leave-one-out": junk or column == row - 1,
                "cross-camera": junk or (other == person and place == camera),
            }[protocol]
            assert ignored[row, column] == out
            assert correct[row, column] == (other == person and not out)


def test_views_are_pooled_by_identity_and_camera() -> None:
    views = np.float32([[1, 8], [3, 2], [5, 5], [7, 7], [9, 9]])
    ids, cameras = ["a", "a", "a", "b", "c"], [1, 1, 2, 1, 1]
    wanted = (["b", "a", "a"], [1, 1, 2])
    average = pool_views(views, ids, cameras, *wanted, "average")
    assert average.tolist() == [[7, 7], [2, 5], [5, 5]]
    maximum = pool_views(views, ids, cameras, *wanted, "maximum")
    assert maximum.tolist() == [[7, 7], [3, 8], [5, 5]]
    assert average.dtype == maximum.dtype == np.float32


def test_the_average_of_equal_views_is_that_view() -> None:
    view = np.random.default_rng(0).normal(size=(1, 40)).astype("f4")
    for how in ("average", "maximum"):
        pooled = pool_views(view.repeat(7, 0), [1] * 7, [1] * 7, [1], [1], how)
        assert np.array_equal(pooled, view)


def test_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'cross-camera'"):
        relevance("cross-cameras", LABELS)
    with pytest.raises(UsageError, match="one identity and one camera"):
        dataclasses.replace(LABELS, junk=JUNK[1:])
    with pytest.raises(UsageError, match="one identity and one camera"):
        dataclasses.replace(LABELS, query_cameras=np.array([1, 1]))
    with pytest.raises(UsageError, match="did you mean 'maximum'"):
        pool_views([[1.0]], [1], [1], [1], [1], "maximun")
    with pytest.raises(UsageError, match="an identity and a camera each"):
        pool_views([[1.0]], [1, 2], [1], [1], [1], "average")
    with pytest.raises(DataError, match=r"query 1 \(identity 1, camera 2\) has no view"):
        pool_views([[1.0]], [1], [1], [1, 1], [1, 2], "average")
