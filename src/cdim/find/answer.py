"""From a query's vector to its hits: expansion, re-ranking, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle
from cdim.errors import UsageError
from cdim.find.filters import Condition
from cdim.find.items import Hit, SearchResult
from cdim.find.stores.store import Store, Stored
from cdim.metrics.calibration import probability

RERANKED = 200
"""How many of the nearest are re-ranked."""
SAMPLE = 256
"""Items that a query's distances are compared with."""


@dataclass(frozen=True, eq=False)
class VectorSearch:
    """A search, once its images are vectors.

    Args:
        vector: (dim,) what to search with.
        k: hits, at most.
        where: what they must fulfil.
        without: ids that are no hits: the items that were searched with.
        expand: how many of the nearest the query is averaged with before it searches again.
        rerank: whether the nearest are re-ranked by k-reciprocal encoding.
        false_match_rate: the fraction of searches for an absent object that may return a hit; hits
            that are less sure are left out. None for all hits.
        domains: the domains of the query's images.
    """

    vector: NDArray[np.float32]
    k: int = 10
    where: tuple[Condition, ...] = ()
    without: tuple[str, ...] = ()
    expand: int = 0
    rerank: bool = False
    false_match_rate: float | None = None
    domains: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuses what cannot be searched.

        Raises:
            UsageError: k below 1, or expand below 0.
        """
        if self.k < 1 or self.expand < 0:
            raise UsageError(
                f"k = {self.k} and expand = {self.expand}",
                "k is at least 1, expand at least 0",
                "leave them out for 10 hits without expansion",
            )


def pooled(
    vectors: NDArray[np.float32], weights: Sequence[float] | None, length: float | None
) -> NDArray[np.float32]:
    """The weighted mean of a query's views.

    Args:
        vectors: (q, dim) of its views.
        weights: q numbers from 0, not all of them 0; None for equal ones.
        length: what the mean is scaled to, None to leave it.

    Returns:
        (dim,) float32.

    Raises:
        UsageError: other weights.
    """
    try:
        shares = np.ones(len(vectors)) if weights is None else np.asarray(weights, dtype=np.float64)
    except OverflowError:
        shares = np.full(len(vectors), np.inf)
    right = shares.shape == (len(vectors),) and np.isfinite(shares).all() and (shares >= 0).all()
    if not right or not shares.any():
        raise UsageError(
            f"weights {weights} for {len(vectors)} queries",
            "each query has a weight from 0, and one is above 0",
            "give as many weights as queries, or none",
        )
    if len(vectors) == 1:
        return np.asarray(vectors[0])
    mean = (shares / shares.sum()) @ vectors.astype(np.float64)
    size = float(np.linalg.norm(mean))
    if length is not None and size > 0:
        mean *= length / size
    return np.asarray(mean, dtype=np.float32)


def answer(
    store: Store, bundle: Bundle, request: VectorSearch, sample: Sequence[Stored]
) -> SearchResult:
    """Searches.

    Args:
        store: where.
        bundle: the model of its vectors.
        request: what for.
        sample: of the items, with their vectors, to judge distances by.

    Raises:
        UsageError: k or expand out of range, or a false-match rate without a calibration.
    """
    request.check()
    refined = request.rerank or request.expand > 0
    depth = max(request.k, probability.RIVALS, RERANKED if request.rerank else 0, request.expand)
    searched = store.count(request.where)
    plain = _nearest(store, request, request.vector, depth, refined)
    ranked, kind = (plain, "Euclidean")
    if plain and refined:
        ranked, kind = _refined(store, request, plain, depth)
    ranked = ranked[: request.k]
    probabilities, present = _judged(bundle, request, plain, ranked, sample, searched)
    hits = [Hit(found.item, found.distance, probabilities.get(found.item.id)) for found in ranked]
    if request.false_match_rate is not None:
        limit = _threshold(bundle, request.false_match_rate)
        hits = [hit for hit in hits if hit.probability is not None and hit.probability >= limit]
    return SearchResult(tuple(hits), searched, present, kind, request.domains)


def _nearest(
    store: Store, request: VectorSearch, vector: NDArray[np.float32], depth: int, vectors: bool
) -> list[Stored]:
    found = store.nearest(vector, depth, request.where, request.without, vectors=vectors)
    return sorted(found, key=lambda near: (near.distance, near.item.id))


def _refined(
    store: Store, request: VectorSearch, near: list[Stored], depth: int
) -> tuple[list[Stored], str]:
    """The hits after expansion and re-ranking, and what their distances are."""
    from cdim.metrics.rerank import expand_queries, k_reciprocal

    vector, kind = request.vector, "Euclidean"
    if request.expand:
        averaged = _stack(near[: request.expand])
        vector = expand_queries(vector[None], averaged, len(averaged))[0]
        near = _nearest(store, request, vector, depth, True)
        kind = f"Euclidean from the query averaged with its {len(averaged)} nearest"
    if request.rerank:
        near = near[: max(RERANKED, request.k)]
        distances = k_reciprocal(vector[None], _stack(near))[0].tolist()
        order = np.argsort(distances, kind="stable")
        near = [Stored(near[i].item, near[i].vector, distances[i]) for i in order]
        kind = f"re-ranked, 0 to 1 (before: {kind})"
    return near, kind


def _judged(
    bundle: Bundle,
    request: VectorSearch,
    plain: list[Stored],
    ranked: list[Stored],
    sample: Sequence[Stored],
    searched: int,
) -> tuple[dict[str, float], float | None]:
    """Probabilities by id, always of the plain distances, and that of being there at all."""
    if bundle.calibration is None:
        return {}, None
    background = [found for found in sample if found.item.id not in request.without]
    if not plain or not background:
        return {}, 0.0
    distances = {found.item.id: found.distance for found in plain}
    for found in ranked:
        if found.item.id not in distances and found.vector is not None:
            distances[found.item.id] = float(np.linalg.norm(found.vector - request.vector))
    ids = sorted(distances, key=lambda i: (distances[i], i))
    judged = probability.judge(
        bundle.calibration,
        [distances[i] for i in ids],
        np.linalg.norm(_stack(background) - request.vector, axis=1),
        max(searched, len(ids)),  # items may have come since they were counted
    )
    return dict(zip(ids, judged.probabilities.tolist(), strict=True)), judged.present


def _threshold(bundle: Bundle, rate: float) -> float:
    if bundle.calibration is None:
        raise UsageError(
            f"a false-match rate of {rate}",
            f"the model {bundle.name} has no calibration to tell by",
            "leave it out, or export the run again with validation data",
        )
    return probability.threshold(bundle.calibration, rate)


def _stack(found: Sequence[Stored]) -> NDArray[np.float32]:
    return np.array([near.vector for near in found], dtype=np.float32)
