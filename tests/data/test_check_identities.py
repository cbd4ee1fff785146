from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cdim.data.check.copies import copy_problems
from cdim.data.check.findings import Problem
from cdim.data.check.identities import PUBLISHED, identity_problems
from cdim.data.check.pixels import look_at
from cdim.data.check.table import check, table_problems
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import Dataset, open_dataset

DOCS = Path(__file__).resolve().parents[2] / "docs" / "data-check.md"
# split, role, identity, camera: nothing is wrong with it
SOUND: list[tuple[str, str, str, int]] = [
    *[("train", "", person, camera) for person in "ab" for camera in (1, 2)],
    *[("test", "query", person, 1) for person in "xy"],
    *[("test", "gallery", person, camera) for person in "xy" for camera in (1, 2)],
    ("test", "junk", "-1", 2),
    ("test", "multi-query", "x", 1),
]
QUERY_X, GALLERY_X2, TRAIN_A2 = 4, 7, 1


@functools.cache
def photo(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (96, 48, 3), dtype=np.uint8)


def people(rows: list[tuple[str, str, str, int]], name: str = "people") -> Dataset:
    split, role, identity, camera = zip(*rows, strict=True)
    pixels = [photo(i) for i in range(len(rows))]
    return Dataset(name, Manifest.build(pixels, identity, split=split, role=role, camera=camera))


def changed(*changes: tuple[int, str, int]) -> Dataset:
    """The sound set with (row, identity, camera) replaced."""
    rows = list(SOUND)
    for row, identity, camera in changes:
        rows[row] = (*rows[row][:2], identity, camera)
    return people(rows)


def seen_by(camera: Callable[[int], int]) -> Dataset:
    return people([(*row[:3], camera(row[3])) for row in SOUND])


def found(dataset: Dataset) -> dict[str, Problem]:
    """Problems by code; none comes twice."""
    problems = check(dataset).problems
    by_code = {problem.code: problem for problem in problems}
    assert len(by_code) == len(problems)
    return by_code


def copied(row: int, other: int) -> Dataset:
    manifest = people(SOUND).manifest
    source = list(manifest.source)
    source[other] = source[row]
    columns = {k: getattr(manifest, k) for k in ("instance", "split", "role", "camera")}
    return Dataset("people", Manifest.build(source, **columns))


def test_a_sound_set_has_no_problems() -> None:
    assert found(people(SOUND)) == {}


CODES: dict[str, Callable[[], Dataset]] = {
    "image-without-camera": lambda: changed((QUERY_X, "x", -1)),
    "instance-in-one-camera": lambda: changed((TRAIN_A2, "a", 1)),
    "instance-with-one-image": lambda: changed((TRAIN_A2, "c", 2)),
    "one-camera": lambda: seen_by(lambda _: 3),
    "query-in-multi-query": lambda: copied(QUERY_X, len(SOUND) - 1),
    "query-only-in-own-camera": lambda: changed((GALLERY_X2, "x", 1)),
    "unknown-identity": lambda: people([*SOUND, ("train", "junk", "unknown", 1)]),
    "unlike-published": lambda: people(SOUND, "market1501"),
}


@pytest.mark.parametrize("code", CODES)
def test_each_problem_is_explained_and_documented(code: str) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+)", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    problem = next(p for p in check(CODES[code]()).problems if p.code == code)
    assert problem.level == dict(rows)[code].replace("note", "info")
    for sentence in (problem.what, problem.why, problem.todo):
        assert sentence[0].isupper() or sentence[0].isdigit() or sentence.startswith("market1501")
        assert sentence.endswith(".")
    assert len(problem.examples) <= min(5, problem.count)


def test_queries_that_only_their_own_camera_sees_again() -> None:
    (problem,) = found(changed((GALLERY_X2, "x", 1))).values()
    assert (problem.code, problem.level, problem.count) == (
        "query-only-in-own-camera",
        "warning",
        1,
    )
    assert "camera 1" in problem.examples[0]
    assert "all query identities do not appear in gallery" in problem.why
    both = changed((GALLERY_X2, "x", 1), (GALLERY_X2 + 2, "y", 1), (6, "z", 2))
    every = found(both)["query-only-in-own-camera"]
    assert (every.level, every.count) == ("error", 2)


@settings(deadline=None)
@given(
    queries=st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 3)), min_size=1, max_size=6),
    gallery=st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 3)), min_size=1, max_size=9),
)
def test_lost_queries_are_those_of_the_naive_loop(
    queries: list[tuple[str, int]], gallery: list[tuple[str, int]]
) -> None:
    rows = [("test", "query", *q) for q in queries] + [("test", "gallery", *g) for g in gallery]
    # One more camera, so that the set never has a single one.
    dataset = people([*rows, ("test", "gallery", "nobody", 9)])
    lost = sum(
        any(name == q and seen == camera for name, seen in gallery)
        and not any(name == q and seen != camera for name, seen in gallery)
        for q, camera in queries
    )
    problems = [p for p in identity_problems(dataset) if p.code == "query-only-in-own-camera"]
    assert [p.count for p in problems] == ([lost] if lost else [])


def test_one_camera() -> None:
    problems = list(identity_problems(seen_by(lambda _: 3)))
    assert [(p.code, p.level) for p in problems] == [
        ("one-camera", "warning"),
        ("one-camera", "error"),
    ]
    assert "the train split" in problems[0].what
    assert "any-camera" in problems[1].todo


def test_no_cameras_no_findings_about_them() -> None:
    assert list(identity_problems(seen_by(lambda _: -1))) == []


def test_images_without_a_camera() -> None:
    problem = found(changed((QUERY_X, "x", -1)))["image-without-camera"]
    assert problem.count == 1
    assert "query-only-in-own-camera" not in found(
        changed((QUERY_X, "x", -1), (GALLERY_X2, "x", 1))
    )


def test_training_identities_that_teach_little() -> None:
    problems = found(changed((TRAIN_A2, "c", 2)))
    assert set(problems) == {"instance-with-one-image"}
    assert problems["instance-with-one-image"].examples == ("a", "c")
    two = found(changed((TRAIN_A2, "a", 1)))["instance-in-one-camera"]
    assert (two.level, two.count, two.examples) == ("info", 1, ("a: camera 1",))
    both = found(changed((TRAIN_A2, "a", 1), (2, "b", 2)))["instance-in-one-camera"]
    assert (both.level, both.count) == ("warning", 2)


def test_every_image_its_own_instance_is_no_trap() -> None:
    rows = [("train", "", str(i), 1 + i % 2) for i in range(6)]
    assert "instance-with-one-image" not in found(people(rows))


def test_an_identity_in_train_and_test() -> None:
    problem = found(changed((0, "x", 1), (TRAIN_A2, "x", 2)))["instance-in-two-splits"]
    assert problem.level == "error"
    assert problem.examples == ("x: test, train",)


def test_queries_without_a_match_are_left_out_where_there_are_cameras() -> None:
    lone = changed((QUERY_X, "w", 1), (6, "y", 1), (GALLERY_X2, "y", 2))
    problem = found(lone)["query-without-match"]
    assert problem.level == "warning"
    assert "leaves them out" in problem.why
    plain = Dataset("plain", lone.manifest.where(role=("query", "gallery")))
    columns = {k: getattr(plain.manifest, k) for k in ("instance", "split", "role")}
    no_cameras = Dataset("plain", Manifest.build(plain.manifest.source, **columns))
    assert found(no_cameras)["query-without-match"].level == "error"


def test_copies_of_a_query_among_its_views_and_of_junk() -> None:
    views = len(SOUND) - 1
    (problem,) = found(copied(QUERY_X, views)).values()
    assert (problem.code, problem.level, problem.count) == ("query-in-multi-query", "info", 1)
    junk = len(SOUND) - 2
    assert found(copied(QUERY_X, junk)) == {}
    assert set(found(copied(QUERY_X, GALLERY_X2))) == {"query-copied-to-gallery"}


def test_a_copy_that_is_not_whole() -> None:
    problem = found(people(SOUND, "market1501"))["unlike-published"]
    assert "751 training identities, 12,936 training images" in problem.what
    assert "this copy has 2 training identities, 4 training images, 2 queries, 5" in problem.what
    assert set(PUBLISHED) >= {"market1501", "dukemtmc-reid", "msmt17"}


@pytest.mark.full
def test_the_table_of_market1501_as_released(data_root: Path) -> None:
    dataset = open_dataset("market1501", data_root)
    assert list(identity_problems(dataset)) == []
    (problem,) = table_problems(dataset.manifest)
    assert (problem.code, problem.count) == ("gallery-without-query", 2_798)


@pytest.mark.full
def test_queries_of_market1501_are_among_their_views(data_root: Path) -> None:
    manifest = open_dataset("market1501", data_root).manifest
    names = [f"market1501/{i:04d}" for i in range(1, 12)]
    part = manifest.where(split="test", instance=names)
    codes = {p.code for p in copy_problems(part, look_at(part))}
    assert codes == {"query-in-multi-query"}


def test_images_that_are_query_and_gallery_at_once() -> None:
    rows = [("test", "both", person, -1) for person in "xxyyz"]
    problems = found(people(rows))
    assert problems.keys() == {"query-without-match"}
    lost = problems["query-without-match"]
    assert (lost.level, lost.count, "leave-one-out" in lost.why) == ("warning", 1, True)
    assert found(people(rows[:4])) == {}
    twin = Manifest.build([photo(0), photo(0), photo(1)], [1, 1, 1], split="test", role="both")
    assert "query-copied-to-gallery" in found(Dataset("twin", twin))


def test_unknown_animals_are_told_and_leak_nothing() -> None:
    sound = [("train", "", person, -1) for person in "aabb"]
    sound += [("test", "both", person, -1) for person in "xxyy"]
    unknown = [(split, "junk", "unknown", -1) for split in ("train", "test")]
    problems = found(people([*sound, *unknown]))
    assert problems.keys() == {"unknown-identity"}
    assert problems["unknown-identity"].count == 2
    assert set(people([*sound, *unknown]).training().instance.tolist()) == {"a", "b"}
