"""Whoever chooses or reports by the rank of the first correct item ranks alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.data.manifest import Manifest
from cdim.data.preprocess import Preprocess
from cdim.judge.evaluate import evaluate
from cdim.judge.held_out import HeldOut, groups_of
from cdim.learn.atlas.scoring import FoldSearch
from cdim.learn.networks.embedder import Embedder
from cdim.learn.training.batches import Targets
from cdim.learn.training.losses import CrossEntropy, Objective
from cdim.learn.training.validation import make_judge
from cdim.metrics.distances import distances
from cdim.metrics.ranking import first_ranks


class Grey(Embedder):
    """A network whose embedding is an image's grey value."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def embed_stack(self, stack):
        return stack.mean((1, 2)).astype(np.float32)


def matrix(manifest, vectors, protocol):
    (query, gallery), *_ = groups_of(manifest, "cross-camera")
    right = manifest.instance[query, None] == manifest.instance[gallery]
    junk = (manifest.role[gallery] == "junk")[None].repeat(len(query), 0)
    return query, gallery, right & ~junk, junk


def by_matrix(manifest, vectors, protocol):
    query, gallery, correct, ignored = matrix(manifest, vectors, protocol)
    return first_ranks(distances(vectors[query], vectors[gallery]), correct, ignored)


def by_report(manifest, vectors, protocol):
    query, gallery, *_ = matrix(manifest, vectors, protocol)
    sides = manifest.take(query), manifest.take(gallery)
    return evaluate(vectors[query], vectors[gallery], *sides, dataset="x", protocol=protocol).ranks


def held(manifest, protocol):
    return HeldOut(manifest, protocol, groups_of(manifest, protocol))


def by_choice(manifest, vectors, protocol):
    return 1 / held(manifest, protocol).reciprocal_ranks(vectors)


def by_measure(manifest, vectors, protocol):
    return 1 / held(manifest, protocol).measure(vectors)["MRR"]


def by_atlas(manifest, vectors, protocol):
    return FoldSearch(*matrix(manifest, vectors, protocol)).ranks(vectors @ vectors.T)


def by_validation(manifest, vectors, protocol):
    pixels = Preprocess((8, 8), (8, 8), 1, (0.0,), (1.0,))
    targets = Targets(manifest, "instance", [])
    judge = make_judge(manifest, pixels, targets, Objective(None, CrossEntropy(1, 3)))
    return 1 / np.array([judge(Grey())["score"]])


EVERYWHERE = (by_matrix, by_report, by_choice, by_measure, by_atlas)


def images(rows):
    """A manifest of (grey value, instance, role), and vectors (n, 1): the grey values."""
    greys, names, roles = zip(*rows, strict=True)
    pixels = [np.full((8, 8), grey, dtype=np.uint8) for grey in greys]
    manifest = Manifest.build(pixels, names, split="train", role=roles)
    return manifest, np.array(greys, np.float32)[:, None]


def naive(rows, query):
    """Rank of the first right item of the gallery, junk left out, wrong ones first among equals."""
    grey, name, _ = query
    items = sorted((abs(g - grey), n == name) for g, n, role in rows if role == "gallery")
    return [right for _, right in items].index(True) + 1


def agreed(rows, protocol, callers):
    manifest, vectors = images(rows)
    wanted = [naive(rows, row) for row in rows if row[2] == "query"]
    for caller in callers:
        assert caller(manifest, vectors, protocol) == pytest.approx(wanted), caller.__name__


@st.composite
def rows(draw, kinds=("query", "gallery", "junk")):
    """Some images of few grey values, and one more in the gallery for every instance."""
    image = st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.sampled_from(kinds))
    known = [(draw(st.integers(0, 3)), name, "gallery") for name in "abc"]
    return [(draw(st.integers(0, 3)), "a", "query"), *known, *draw(st.lists(image, max_size=9))]


@given(rows())
@settings(max_examples=40)
def test_ranks_are_those_of_a_naive_loop_for_every_caller_junk_left_out(found):
    agreed(found, "any-camera", EVERYWHERE)


@given(rows(kinds=("query", "gallery")))
@settings(max_examples=40)
def test_ranks_of_instances_are_those_of_a_naive_loop_for_every_caller(found):
    agreed(found, "instance", EVERYWHERE)


@pytest.mark.parametrize("caller", [*EVERYWHERE, by_validation])
def test_whoever_collapses_everything_to_one_point_comes_last(caller):
    collapsed = [(7, str(n), role) for n in range(9) for role in ("query", "gallery")]
    manifest, vectors = images(collapsed)
    assert (caller(manifest, vectors, "instance") == 9).all()


def test_a_query_without_a_correct_item_is_left_out_or_named():
    manifest, vectors = images([(1, "a", "query"), (2, "b", "query"), (3, "b", "gallery")])
    people = dataclasses.replace(manifest, camera=[1, 1, 2])
    assert by_choice(people, vectors, "cross-camera").tolist() == [1.0]
    with pytest.raises(Exception, match="'a'"):
        held(manifest, "instance")
