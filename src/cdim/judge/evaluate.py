"""Embeddings x manifests x protocol to a `Report`."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.data.manifest import Manifest
from cdim.errors import DataError, ModelError, UsageError
from cdim.judge.conditions import by_camera, choose_protocol, image_name, labels_of
from cdim.judge.report import Report
from cdim.metrics.distances import distances
from cdim.metrics.lists import Lists
from cdim.metrics.protocol import pool_views
from cdim.metrics.ranking import per_query
from cdim.metrics.rerank import expand_queries, k_reciprocal
from cdim.metrics.retrieval import Distances, retrieve
from cdim.metrics.significance import Estimate, bootstrap, bootstrap_ratio
from cdim.metrics.triplets import triplets_by_query

if TYPE_CHECKING:
    from cdim.data.triplets import Triplets

TOP = 20
INSTANCE = ("acc@1", "acc@5", "acc@10", "median_rank", "mean_rank")
PEOPLE = (*(f"rank-{k}" for k in (1, 5, 10, 20)), "mAP_step", "mAP_trapezoid", "mINP")


@dataclass(frozen=True, eq=False)
class Views:
    """Further images of the queries' people, for multi query."""

    embeddings: ArrayLike  # (v, d)
    manifest: Manifest  # v rows, in the order of the embeddings
    how: str  # "average" or "maximum": how the views of one identity in one camera are pooled


def evaluate(
    query: ArrayLike,
    gallery: ArrayLike,
    query_manifest: Manifest,
    gallery_manifest: Manifest,
    *,
    dataset: str,
    protocol: str | None = None,
    views: Views | None = None,
    expand: int = 0,
    rerank: bool = False,
    triplets: Triplets | None = None,
    seed: int | None = None,
) -> Report:
    """Ranks the gallery for every query by Euclidean distance and counts.

    The search is changed in this order: views are pooled, queries expanded, distances re-ranked.
    Without re-ranking or triplets, no (q, g) matrix is ever held.

    Args:
        query, gallery: (q, d) and (g, d) embeddings.
        query_manifest, gallery_manifest: q and g rows, in the order of the embeddings; the role
            "junk" marks gallery items that show nobody.
        dataset: name for the report.
        protocol: "instance", "cross-camera", "any-camera" or "leave-one-out", see
            `cdim.metrics.protocol`; by default "cross-camera" where the images have cameras; where
            none has, "leave-one-out" if images are query and gallery at once, else "instance".
        views: for multi query; each query's embedding becomes that of its views.
        expand: nearest gallery items that are averaged into each query, 0 for none.
        rerank: whether to re-rank by k-reciprocal encoding.
        triplets: human triplets of these queries' instances; with several photos an instance,
            the nearest counts.
        seed: the model's training seed, for the report.

    Raises:
        UsageError: an unknown protocol, one that needs cameras where some are missing, junk under
            "instance", or embeddings that do not fit the manifests.
        ModelError: embeddings that are not finite.
        DataError: no queries, no gallery, a query without a view, triplets that name an instance
            which is not there, under "instance" a query whose instance the gallery lacks, and
            under the other protocols no query at all with a correct item.
    """
    _check_rows(query_manifest, gallery_manifest)
    _check_lengths("query", query, query_manifest)
    _check_lengths("gallery", gallery, gallery_manifest)
    protocol = choose_protocol(protocol, query_manifest, gallery_manifest)
    points, items = np.asarray(query), np.asarray(gallery)
    if views is not None:
        _check_lengths("view", views.embeddings, views.manifest)
        points = pool_views(
            views.embeddings,
            *(views.manifest.instance, views.manifest.camera),
            *(query_manifest.instance, query_manifest.camera),
            views.how,
        )
    if expand:
        points = expand_queries(points, items, expand)
    matrix = None
    if rerank or triplets is not None:
        matrix = k_reciprocal(points, items) if rerank else distances(points, items)
    words = [f"query expansion {expand}"] * (expand > 0) + ["k-reciprocal"] * rerank
    return _report(
        matrix,
        (lambda rows: distances(points[rows], items)) if matrix is None else matrix.__getitem__,
        query_manifest,
        gallery_manifest,
        triplets,
        dataset=dataset,
        protocol=protocol,
        multi_query=None if views is None else views.how,
        rerank=" + ".join(words) or None,
        seed=seed,
    )


def evaluate_distances(
    matrix: ArrayLike,
    query_manifest: Manifest,
    gallery_manifest: Manifest,
    *,
    dataset: str,
    protocol: str | None = None,
    triplets: Triplets | None = None,
    seed: int | None = None,
) -> Report:
    """As `evaluate`, by distances that are at hand.

    Args:
        matrix: (q, g) finite distances; smaller is nearer.
        query_manifest, gallery_manifest, dataset, protocol, triplets, seed: as for `evaluate`,
            and so are the errors.
    """
    _check_rows(query_manifest, gallery_manifest)
    given, wanted = np.asarray(matrix), (len(query_manifest), len(gallery_manifest))
    if given.shape != wanted or given.dtype.kind not in "fiu":
        raise UsageError(
            f"distances {given.dtype} {given.shape}",
            f"a number for each of {wanted[0]} queries and {wanted[1]} gallery items is needed",
            "give rows to queries and columns to gallery items",
        )
    given = given.astype(np.float32, copy=False)
    if not np.isfinite(given).all():
        raise ModelError("a distance is not finite", "distances are numbers", "check them")
    return _report(
        given,
        given.__getitem__,
        query_manifest,
        gallery_manifest,
        triplets,
        dataset=dataset,
        protocol=choose_protocol(protocol, query_manifest, gallery_manifest),
        multi_query=None,
        rerank=None,
        seed=seed,
    )


def _report(
    matrix: NDArray[np.float32] | None,
    search: Distances,
    query: Manifest,
    gallery: Manifest,
    triplets: Triplets | None,
    *,
    protocol: str,
    **about: Any,
) -> Report:
    """Ranks by the distances of some queries at a time; triplets need all of them at once."""
    labels, broken_down = labels_of(query, gallery), by_camera(protocol, query, gallery)
    rows, lists, cameras = retrieve(search, labels, protocol, TOP, broken_down)
    hits = counts = np.zeros(len(query), dtype=np.int64)
    if triplets is not None and matrix is not None:
        hits, counts = triplets_by_query(
            matrix,
            *(query.instance, gallery.instance),
            *(triplets.anchor, triplets.nearer, triplets.farther),
        )
    hits, counts = hits[rows], counts[rows]
    left_out = np.setdiff1d(np.arange(len(query)), rows).tolist()
    return Report(
        protocol=protocol,
        metrics=MappingProxyType(_estimates(protocol, lists, hits, counts)),
        gallery=len(gallery),
        junk=int(labels.junk.sum()),
        left_out=tuple(image_name(query, row) for row in left_out),
        cameras=cameras,
        rows=rows,
        instances=query.instance[rows],
        ranks=lists.first_ranks,
        triplet_hits=hits,
        triplet_counts=counts,
        **lists._asdict(),
        **about,
    )


def _check_rows(query: Manifest, gallery: Manifest) -> None:
    for name, manifest in (("queries", query), ("gallery items", gallery)):
        if len(manifest) == 0:
            raise DataError(f"no {name}", "at least one is needed", "check the split and the roles")


def _check_lengths(name: str, embeddings: ArrayLike, manifest: Manifest) -> None:
    if len(np.asarray(embeddings)) != len(manifest):
        raise UsageError(
            f"{len(np.asarray(embeddings))} {name} embeddings for {len(manifest)} manifest rows",
            "there is one embedding a row",
            "embed the same manifest",
        )


def _estimates(
    protocol: str, lists: Lists, hits: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[str, Estimate]:
    found = {}
    for name in INSTANCE if protocol == "instance" else PEOPLE:
        if name == "median_rank":
            found[name] = bootstrap(lists.first_ranks, np.median)
        else:
            found[name] = bootstrap(per_query(name, lists.correct_ranks, lists.correct_counts))
    asked = counts > 0
    if asked.any():
        found["triplet_accuracy"] = bootstrap_ratio(hits[asked], counts[asked])
    return found
