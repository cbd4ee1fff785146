"""A test split, opened once: its queries, its gallery and how they are judged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cdim.data.manifest import GALLERY, QUERY, Manifest
from cdim.data.sets.catalogue import Dataset, open_dataset
from cdim.data.triplets import Triplets
from cdim.errors import DataError, UsageError
from cdim.judge.conditions import check_views, choose_protocol
from cdim.judge.evaluate import Views, evaluate
from cdim.judge.options import PLAIN, EvalOptions
from cdim.judge.report import Report

Progress = Callable[[str, int, int], None]
"""Called with what is embedded, how many images are done, and of how many."""


@dataclass(frozen=True)
class EvalSplit:
    """The images that judge a model, and how; junk is among the gallery."""

    dataset: str  # its name
    split: str  # the split; "" for the whole of a set in which no image names one
    # the images
    query: Manifest
    gallery: Manifest
    views: Manifest | None  # further views of the queries' people, None for single query
    protocol: str  # who may match whom
    how: EvalOptions  # the other options
    triplets: Triplets | None  # human triplets of the split, None where there are none


def open_test(
    dataset: str | os.PathLike[str] | Dataset,
    split: str = "test",
    how: EvalOptions = PLAIN,
    data: Path | None = None,
) -> EvalSplit:
    """Queries and gallery of a split, checked before anything is embedded.

    A set in which no image names a split is judged as a whole. Under leave-one-out, images without
    roles are queries and gallery at once.

    Args:
        dataset: its name or path, or the dataset.
        split: "test", "val" or "train".
        how: protocol, and what is done to the search.
        data: where datasets are; None asks the environment (CDIM_DATA).

    Raises:
        DataError: the dataset cannot be opened, the split has no queries, or no gallery, or they
            do not fit together.
        UsageError: an unknown dataset, or the split lacks what `how` asks for.
    """
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(os.fspath(dataset), data)
    rows = dataset.part(split)
    if not len(rows):
        splits = sorted(set(dataset.manifest.split.tolist()) - {""})
        raise DataError(
            f"{dataset.name} has no image of split {split!r}",
            f"its splits are {', '.join(splits) or '(none)'}",
            "choose one of them, or fill the column split (docs/data.md)",
            argument="split",
        )
    if how.protocol == "leave-one-out" and not np.isin(rows.role, (*QUERY, *GALLERY)).any():
        rows = replace(rows, role=np.where(rows.role == "", "both", rows.role))
    query, gallery = rows.where(role=QUERY), rows.where(role=(*GALLERY, "junk"))
    count = int(np.isin(gallery.role, GALLERY).sum())
    if not len(query) or not count:
        raise DataError(
            f"{dataset.name}, split {split!r}: {len(query)} queries, {count} in the gallery",
            "judging needs both, or images without roles and the protocol leave-one-out, under "
            "which each searches the others",
            "fill the column role (docs/data.md), or name the protocol",
            argument="protocol",
        )
    views = rows.where(role="multi-query") if how.multi_query else None
    if views is not None and not len(views):
        raise UsageError(
            f"multi query ({how.multi_query}) for {dataset.name}, split {split!r}",
            "further views of the queries' people are needed: rows of the role multi-query, "
            "or the folder gt_bbox of Market-1501's layout",
            "add them, or judge single queries",
            argument="multi_query",
        )
    protocol = choose_protocol(how.protocol, query, gallery)
    if views is not None:
        check_views(query, views)
    triplets = dataset.triplets.get(split)
    named = split if (rows.split != "").any() else ""
    return EvalSplit(dataset.name, named, query, gallery, views, protocol, how, triplets)


def open_tests(
    names: Sequence[str], trained: Sequence[str], data: Path | None
) -> dict[str, EvalSplit]:
    """The test splits that judge a new model, by the names of their datasets.

    Args:
        names: of the datasets.
        trained: datasets that the model learns from.
        data: where datasets are; None asks the environment (CDIM_DATA).

    Raises:
        DataError: as `open_test`.
        UsageError: a set without splits, all of which the model learns from.
    """
    opened = {name: open_test(name, data=data) for name in names}
    for name, test in opened.items():
        if name in trained and not test.split:
            raise UsageError(
                f"{name} as test, whose images name no split, and all of them are learned from",
                "a test shows what the model has not seen",
                "give its images the splits train and test, or test on another set",
                argument="tests",
            )
    return opened


class TrainedModel(Protocol):
    """A run's network or a bundle: what can be judged."""

    @property
    def seed(self) -> int | None:
        """The seed it was trained with."""

    def embed(
        self, manifest: Manifest, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings (n, d)."""


def judge(model: TrainedModel, test: EvalSplit, progress: Progress | None = None) -> Report:
    """Embeds queries, gallery and views, ranks the gallery for every query, and counts.

    Raises:
        ImageError: an image cannot be read.
        ModelError: a domain that the model does not know.
    """

    def embedded(what: str, manifest: Manifest) -> NDArray[np.float32]:
        return model.embed(manifest, partial(progress, what) if progress else None)

    views, pooled = test.views, test.how.multi_query
    return evaluate(
        embedded("queries", test.query),
        embedded("gallery", test.gallery),
        test.query,
        test.gallery,
        dataset=test.dataset,
        protocol=test.protocol,
        views=Views(embedded("views", views), views, pooled) if views and pooled else None,
        expand=test.how.expand,
        rerank=test.how.rerank,
        triplets=test.triplets,
        seed=model.seed,
    )
