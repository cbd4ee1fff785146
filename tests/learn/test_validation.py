"""How held-out instances judge a network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from cdim.data.manifest import NO_CAMERA, Manifest
from cdim.data.preprocess import Preprocess
from cdim.errors import DataError
from cdim.judge.held_out import with_roles
from cdim.learn.networks.embedder import Embedder
from cdim.learn.training.batches import Targets
from cdim.learn.training.losses import CrossEntropy, Objective
from cdim.learn.training.validation import make_judge

PREPROCESS = Preprocess((8, 8), (8, 8), 1, (0.0,), (1.0,))
OBJECTIVE = Objective(None, CrossEntropy(1, 3))


class Grey(Embedder):
    """A network whose embedding is an image's grey value."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def embed_stack(self, stack):
        return stack.mean((1, 2)).astype(np.float32)


def people(rows):
    """A manifest of (grey value, person, camera)."""
    greys, names, cameras = zip(*rows, strict=True)
    pixels = [np.full((8, 8), grey, dtype=np.uint8) for grey in greys]
    return Manifest.build(pixels, names, split="train", camera=cameras)


ROWS = [
    (10, "a", 1),  # query: b of camera 1 at 12 is nearer than a of camera 2 at 20
    (11, "a", 1),  # of the same camera: ignored for the query above
    (20, "a", 2),  # query
    (12, "b", 1),  # query
    (90, "b", 2),  # query
    (91, "b", 2),
    (50, "c", 1),  # a query that nobody else is like: left out
]


def test_the_first_image_of_a_person_in_a_camera_is_a_query():
    found = with_roles(people(ROWS))
    wanted = ["query", "gallery", "query", "query", "query", "gallery", "query"]
    assert found.role.tolist() == wanted
    seen = with_roles(people([(1, "a", NO_CAMERA), (2, "a", 1), (3, "a", 1)]))
    assert seen.role.tolist() == ["query", "gallery"]  # what no camera took is left out
    given = people(ROWS).take([0, 1, 2])
    given = dataclasses.replace(given, role=["gallery", "", "query"])
    assert with_roles(given).role.tolist() == ["gallery", "", "query"]


def test_people_are_judged_across_cameras():
    manifest = people(ROWS)
    judge = make_judge(manifest, PREPROCESS, Targets(manifest, "instance", []), OBJECTIVE)
    found = judge(Grey())
    # The gallery is a@11 (camera 1), b@91 (camera 2). Query a@20 (camera 2) finds a@11 first; b@12
    # (camera 1) wants b@91 and finds a@11 first: AP 1/2. The queries a@10, b@90 and c have no match
    # in another camera and are left out.
    assert found == pytest.approx({"score": 0.75, "mAP_step": 0.75, "rank-1": 0.5})


def test_images_without_roles_or_cameras_cannot_be_searched():
    manifest = people([(10, "a", 1), (11, "a", 1), (12, "b", 1)])
    with pytest.raises(DataError, match="or several cameras"):
        make_judge(manifest, PREPROCESS, Targets(manifest, "instance", []), OBJECTIVE)


@pytest.mark.parametrize(
    "rows",
    [
        [(1, "a", 1), (2, "a", 2), (3, "b", 1), (4, "b", 2)],  # all are queries
        [(1, "a", 1), (2, "a", 1), (3, "b", 2), (4, "b", 2)],  # nobody in two cameras
    ],
)
def test_what_cannot_be_judged_is_told_before_training(rows):
    manifest = people(rows)
    with pytest.raises(DataError, match="gallery"):
        make_judge(manifest, PREPROCESS, Targets(manifest, "instance", []), OBJECTIVE)


def test_images_without_a_camera_are_left_out():
    manifest = people([*ROWS, (21, "a", NO_CAMERA)])
    judge = make_judge(manifest, PREPROCESS, Targets(manifest, "instance", []), OBJECTIVE)
    assert judge(Grey())["rank-1"] == 0.5


def test_nothing_held_out_is_not_judged():
    manifest = people(ROWS)
    nothing = manifest.take(np.zeros(len(manifest), dtype=bool))
    targets = Targets(manifest, "instance", [])
    assert make_judge(nothing, PREPROCESS, targets, OBJECTIVE) is None
