"""All queries together: blocks, left-out queries, camera pairs; against naive loops."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.metrics import retrieval
from cdim.metrics.average_precision import average_precision, inverse_negative_penalty
from cdim.metrics.lists import Lists
from cdim.metrics.protocol import PROTOCOLS, Labels, relevance
from cdim.metrics.retrieval import CameraPairs, retrieve

small = st.integers(1, 6)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Any, Labels]:
    """Distances with ties, few people and cameras; the first query has a correct item."""
    q, g = draw(small), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    ids = [rng.integers(0, 3, n) for n in (q, g)]
    cameras = [rng.integers(1, 4, n) for n in (q, g)]
    ids[1][0], cameras[1][0] = ids[0][0], cameras[0][0] + 1
    junk = rng.random(g) < 0.2
    junk[0] = False
    return rng.integers(0, 5, (q, g)).astype("f4"), Labels(*ids, *cameras, junk)


Found = tuple[Any, Lists, CameraPairs | None]


def found(values: Any, labels: Labels, protocol: str = "cross-camera") -> Found:
    return retrieve(lambda rows: values[rows], labels, protocol, 3, by_camera=True)


def numbers(got: Found) -> list[Any]:
    """All that is averaged, query by query."""
    rows, lists, _ = got
    return [
        *(rows.tolist(), lists.correct_ranks.tolist(), lists.correct_counts.tolist()),
        *(average_precision(*lists[:2], name).tolist() for name in ("step", "trapezoid")),
        inverse_negative_penalty(*lists[:2]).tolist(),
    ]


def naive_places(values: Any, correct: Any, ignored: Any) -> list[int]:
    kept = sorted((d, yes) for d, yes, no in zip(values, correct, ignored, strict=True) if not no)
    return [place for place, (_, yes) in enumerate(kept, start=1) if yes]


@given(searches(), st.sampled_from(PROTOCOLS))
def test_ranks_and_left_out_queries_equal_a_naive_loop(
    search: tuple[Any, Labels], protocol: str
) -> None:
    values, labels = search
    rows, lists, _ = found(values, labels, protocol)
    places = [naive_places(*row) for row in zip(values, *relevance(protocol, labels), strict=True)]
    assert rows.tolist() == [row for row, some in enumerate(places) if some]
    assert lists.correct_ranks.tolist() == [place for some in places for place in some]
    assert lists.correct_counts.tolist() == [len(some) for some in places if some]
    assert {len(column) for column in lists[1:]} == {len(rows)}


@given(searches(), st.sampled_from(["cross-camera", "any-camera"]))
def test_camera_pairs_equal_a_naive_loop(search: tuple[Any, Labels], protocol: str) -> None:
    values, labels = search
    correct, ignored = relevance(protocol, labels)
    pairs = found(values, labels, protocol)[2]
    assert pairs is not None
    for a, asked in enumerate(pairs.query_cameras):
        for b, offered in enumerate(pairs.gallery_cameras):
            there = labels.gallery_cameras == offered
            lists = [
                naive_places(values[row, there], correct[row, there], ignored[row, there])
                for row in np.flatnonzero(labels.query_cameras == asked)
            ]
            some = [places for places in lists if places]
            assert pairs.queries[a, b] == len(some)
            if not some:
                assert np.isnan([pairs.rank_1[a, b], pairs.map_step[a, b]]).all()
                continue
            assert pairs.rank_1[a, b] == pytest.approx(np.mean([p[0] == 1 for p in some]))
            steps = [np.mean([j / r for j, r in enumerate(p, start=1)]) for p in some]
            assert pairs.map_step[a, b] == pytest.approx(np.mean(steps))


@given(searches())
def test_blocks_do_not_change_anything(search: tuple[Any, Labels]) -> None:
    values, labels = search
    whole = found(values, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "_COMPUTED", 3 * len(values[0]))
        patch.setattr(retrieval, "_RANKED", 2 * len(values[0]))
        parts = found(values, labels)
    assert numbers(parts) == numbers(whole)
    for a, b in zip(parts[1], whole[1], strict=True):
        assert np.array_equal(a, b)
    assert parts[2] is not None
    assert whole[2] is not None
    np.testing.assert_array_equal(parts[2].map_step, whole[2].map_step)


def with_items(labels: Labels, ids: Any, cameras: Any, junk: bool) -> Labels:
    return Labels(
        labels.query_ids,
        np.append(labels.gallery_ids, ids),
        labels.query_cameras,
        np.append(labels.gallery_cameras, cameras),
        np.append(labels.junk, np.full(len(ids), junk)),
    )


@given(searches(), st.sampled_from(PROTOCOLS), st.randoms(use_true_random=False))
def test_the_gallerys_order_does_not_matter(
    search: tuple[Any, Labels], protocol: str, random: Any
) -> None:
    values, labels = search
    order = list(range(values.shape[1]))
    random.shuffle(order)
    shuffled = Labels(
        labels.query_ids,
        labels.gallery_ids[order],
        labels.query_cameras,
        labels.gallery_cameras[order],
        labels.junk[order],
    )
    there = numbers(found(values[:, order], shuffled, protocol))
    assert there == numbers(found(values, labels, protocol))


@given(searches(), st.sampled_from(["cross-camera", "any-camera"]), st.integers(0, 6))
def test_junk_anywhere_changes_nothing(
    search: tuple[Any, Labels], protocol: str, distance: int
) -> None:
    values, labels = search
    people = np.arange(-1, 3)  # junk stays junk, whatever identity it carries
    more = np.hstack([values, np.full((len(values), 4), distance, "f4")])
    junk = with_items(labels, people, np.ones(4, int), junk=True)
    assert numbers(found(more, junk, protocol)) == numbers(found(values, labels, protocol))


@given(searches(), st.sampled_from(PROTOCOLS))
def test_a_distractor_hurts_unless_it_is_the_farthest(
    search: tuple[Any, Labels], protocol: str
) -> None:
    values, labels = search
    plain = found(values, labels, protocol)
    more = with_items(labels, [-5], [1], junk=False)
    far, near = (
        found(np.hstack([values, np.full((len(values), 1), d, "f4")]), more, protocol)
        for d in (99, -1)
    )
    assert numbers(far) == numbers(plain)
    assert (near[1].correct_ranks == plain[1].correct_ranks + 1).all()


@settings(max_examples=20)
@given(searches())
def test_any_rising_change_of_the_distances_keeps_the_numbers(search: tuple[Any, Labels]) -> None:
    values, labels = search
    assert numbers(found(values * 2 + 1, labels)) == numbers(found(values, labels))


def test_a_collapsed_model_finds_its_people_last() -> None:
    labels = Labels(
        *(np.arange(6), np.arange(6)), np.ones(6, int), np.full(6, 2), np.zeros(6, bool)
    )
    _, lists, _ = found(np.ones((6, 6), "f4"), labels)
    assert lists.correct_ranks.tolist() == [6] * 6


def test_memory_does_not_grow_with_the_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_COMPUTED", 1 << 17)
    monkeypatch.setattr(retrieval, "_RANKED", 1 << 14)
    g, peaks = 2000, []
    for q in (200, 1600):
        ids = [np.arange(n) % 50 for n in (q, g)]
        labels = Labels(*ids, np.ones(q, int), np.arange(g) % 6, np.zeros(g, bool))
        tracemalloc.start()
        retrieve(
            lambda rows, ids=ids: np.abs(np.float32(ids[0][rows, None] - ids[1])),
            *(labels, "cross-camera", 20),
            by_camera=True,
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    grown = peaks[1] - peaks[0]
    assert grown < 1400 * g  # a byte, where the matrix of the further queries takes four
