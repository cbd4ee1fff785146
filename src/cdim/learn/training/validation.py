"""How the loop judges a network on the instances held out of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from cdim.data.manifest import NO_CAMERA, Manifest
from cdim.data.preprocess import Preprocess
from cdim.errors import DataError
from cdim.judge.conditions import choose_protocol
from cdim.judge.held_out import HeldOut, groups_of, has_cameras, with_roles
from cdim.learn.networks.embedder import BATCH, Embedder
from cdim.learn.training.batches import ImageCache, Targets
from cdim.learn.training.loop import Evaluate
from cdim.learn.training.losses import CrossEntropy, Objective


def make_judge(
    validation: Manifest, preprocess: Preprocess, targets: Targets, objective: Objective
) -> Evaluate | None:
    """Chooses how to judge, and loads the images for it.

    A classifier of categories is judged by its accuracy. All else is judged by search, since
    held-out instances are no classes of the training data. Images with cameras are searched
    across cameras, by their roles or, without, one image of each instance in each camera against
    all others, as ReID benchmarks are made; images without a camera are then left out. Else
    queries search the gallery of their category.

    Returns:
        The judge, or None where nothing is held out.

    Raises:
        DataError: the images have neither roles nor cameras to search by, or nothing to find.
    """
    if not len(validation):
        return None
    classifier = objective.classify if targets.target == "category" else None
    if isinstance(classifier, CrossEntropy):
        truth = np.searchsorted(targets.names, validation.column(targets.target))
        count = partial(_accuracy, classifier, truth)
    else:
        held = _searched(validation, targets)
        validation, count = held.manifest, partial(_found, held)
    cache = ImageCache(validation, preprocess)

    def judge(network: Embedder) -> Mapping[str, float]:
        rows = np.arange(len(validation))
        batches = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
        return count(np.concatenate([network.embed_stack(cache[batch]) for batch in batches]))

    return judge


def _accuracy(
    classifier: CrossEntropy, truth: NDArray[np.intp], embeddings: NDArray[np.float32]
) -> dict[str, float]:
    vectors = torch.from_numpy(embeddings).to(classifier.classify.weight.device)
    classifier.eval()
    with torch.inference_mode():
        guess = classifier.logits(vectors).argmax(1).cpu().numpy()
    classifier.train()
    return {"score": float((guess == truth).mean())}


def _searched(validation: Manifest, targets: Targets) -> HeldOut:
    """The held-out images as queries and gallery, checked before the training."""
    if has_cameras(validation) and targets.target == "instance":
        manifest, protocol = with_roles(validation), "cross-camera"
    elif {"query", "gallery"} <= set(validation.role.tolist()):
        manifest, protocol = validation.where(role=("query", "gallery")), "instance"
        if targets.target != "instance":
            labels, alike = manifest.column(targets.target), np.full(len(manifest), "")
            manifest = replace(manifest, instance=labels, category=alike)
    else:
        raise DataError(
            f"validation images with the roles {sorted(set(validation.role.tolist()))} and "
            f"{len(np.unique(validation.camera[validation.camera != NO_CAMERA]))} cameras",
            "they are judged by search, which needs queries and a gallery, or several cameras",
            "give the manifest roles or cameras, or set data.validation = 0",
        )
    query, gallery = (manifest.where(role=r) for r in ("query", ("gallery", "junk")))
    if not len(query) or not len(gallery):
        raise DataError(
            f"{len(query)} queries and {len(gallery)} gallery images held out",
            "validation needs both; without roles, the second image of a person in a camera "
            "goes into the gallery",
            "hold out more with data.validation, or set it to 0",
        )
    choose_protocol(protocol, query, gallery)
    return HeldOut(manifest, protocol, groups_of(manifest, protocol))


def _found(held: HeldOut, embeddings: NDArray[np.float32]) -> dict[str, float]:
    found = {name: float(each.mean()) for name, each in held.measure(embeddings).items()}
    if held.protocol == "cross-camera":
        return {"score": found["mAP_step"], **{n: found[n] for n in ("mAP_step", "rank-1")}}
    return {"score": found["MRR"], "acc@1": found["acc@1"]}
