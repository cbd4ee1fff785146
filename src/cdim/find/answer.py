"""From a query to its hits: embedding, expansion, re-ranking, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle
from cdim.bundles.queries import QueryImage, listed, read_query
from cdim.data.images import Files
from cdim.errors import UsageError
from cdim.find.filters import Condition
from cdim.find.items import MOST, Hit, Like, SearchResult, Where
from cdim.find.stores.store import Store, Stored
from cdim.metrics.calibration import probability
from cdim.strict import checked

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery

RERANKED = 200  # how many of the nearest are re-ranked
SAMPLE = 256  # items that a query's distances are compared with


@checked
def search(
    self: Gallery,
    query: Any,
    k: int = 10,
    where: Where | None = None,
    *,
    domain: str | None = None,
    weights: Sequence[float] | None = None,
    rerank: bool = False,
    expand: int = 0,
    false_match_rate: float | None = None,
) -> SearchResult:
    """Finds the items nearest to a query.

    Args:
        query: an image (a path or locator, bytes of an image file, a PIL image or a uint8
            array), a drawing (an SVG as path, text or bytes, or strokes), or `Like` an item;
            or a list of these: views of one thing, pooled by the mean of their embeddings.
            Items that are searched with are not found.
        k: hits, at most.
        where: which items are searched: `Where`, or texts such as "category=shoe" and
            "price=10..50".
        domain: what the images of the query are; None to find out.
        weights: of the views, from 0; by default all count alike.
        rerank: re-rank the nearest 200 by k-reciprocal encoding.
        expand: average the query with this many of its nearest and search again.
        false_match_rate: only hits that are sure enough that a query whose target is absent
            gets one this often, 0 to 1.

    Raises:
        ImageError: an image cannot be read.
        UsageError: no query, an unknown item or field, or an argument out of range.
        ModelError: a domain the model does not know.
    """
    conditions = self._conditions(where)
    with Files() as opened:
        views = [
            view if isinstance(view, Like) else read_query(view, domain, self.bundle, opened)
            for _, view in listed([query] if isinstance(query, str | Path) else query)[0]
        ]
    return VectorSearch(
        self.store,
        self.bundle,
        self._sampled(),
        pooled(_embedded(self, views), weights, self.bundle.length),
        tuple(view.id for view in views if isinstance(view, Like)),
        tuple(view.domain for view in views if isinstance(view, QueryImage)),
        conditions,
        k,
        rerank,
        expand,
        false_match_rate,
    ).run()


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


@dataclass(frozen=True, eq=False)
class VectorSearch:
    """A search, once its images are vectors: `run` does it.

    Raises:
        UsageError: k or expand out of range.
    """

    store: Store  # where it searches
    bundle: Bundle  # the model of the vectors
    sample: Sequence[Stored]  # of the items, with their vectors, to judge distances by
    vector: NDArray[np.float32]  # (dim,) what to search with
    without: tuple[str, ...]  # ids that are no hits: the items that were searched with
    domains: tuple[str, ...]  # the domains of the query's images
    # as for `Gallery.search`
    where: tuple[Condition, ...]
    k: int
    rerank: bool
    expand: int
    false_match_rate: float | None

    def __post_init__(self) -> None:
        if not (1 <= self.k <= MOST and 0 <= self.expand <= MOST):
            raise UsageError(
                f"k = {self.k} and expand = {self.expand}",
                f"k is 1 to {MOST:,}, expand 0 to {MOST:,}",
                "leave them out for 10 hits without expansion",
            )

    def run(self) -> SearchResult:
        """Searches; a false-match rate without a calibration is a `UsageError`."""
        searched = self.store.count(self.where)
        plain = ranked = self._nearest(self.vector)
        kind = "Euclidean"
        if plain and (self.expand or self.rerank):
            ranked, kind = self._refined(plain)
        ranked = ranked[: self.k]
        probabilities, present = self._judged(plain, ranked, searched)
        hits = [Hit(near.item, near.distance, probabilities.get(near.item.id)) for near in ranked]
        if self.false_match_rate is not None:
            limit = self._threshold(self.false_match_rate)
            hits = [hit for hit in hits if hit.probability is not None and hit.probability >= limit]
        return SearchResult(tuple(hits), searched, present, kind, self.domains, bool(self.where))

    def _nearest(self, vector: NDArray[np.float32]) -> list[Stored]:
        depth = max(self.k, probability.RIVALS, RERANKED if self.rerank else 0, self.expand)
        vectors = self.rerank or self.expand > 0
        found = self.store.nearest(vector, depth, self.where, self.without, vectors=vectors)
        return sorted(found, key=lambda near: (near.distance, near.item.id))

    def _refined(self, near: list[Stored]) -> tuple[list[Stored], str]:
        """The hits after expansion and re-ranking, and what their distances are."""
        from cdim.metrics.rerank import expand_queries, k_reciprocal

        vector, kind = self.vector, "Euclidean"
        if self.expand:
            averaged = _stack(near[: self.expand])
            vector = expand_queries(vector[None], averaged, len(averaged))[0]
            near = self._nearest(vector)
            kind = f"Euclidean from the query averaged with its {len(averaged)} nearest"
        if self.rerank:
            near = near[: max(RERANKED, self.k)]
            distances = k_reciprocal(vector[None], _stack(near))[0].tolist()
            order = np.argsort(distances, kind="stable")
            near = [Stored(near[i].item, near[i].vector, distances[i]) for i in order]
            kind = f"re-ranked, 0 to 1 (before: {kind})"
        return near, kind

    def _judged(
        self, plain: list[Stored], ranked: list[Stored], searched: int
    ) -> tuple[dict[str, float], float | None]:
        """Probabilities by id, always of the plain distances, and that of being there at all."""
        if self.bundle.calibration is None:
            return {}, None
        background = [found for found in self.sample if found.item.id not in self.without]
        if not plain or not background:
            return {}, None
        distances = {found.item.id: found.distance for found in plain}
        for found in ranked:
            if found.item.id not in distances and found.vector is not None:
                distances[found.item.id] = float(np.linalg.norm(found.vector - self.vector))
        ids = sorted(distances, key=lambda i: (distances[i], i))
        judged = probability.judge(
            self.bundle.calibration,
            [distances[i] for i in ids],
            np.linalg.norm(_stack(background) - self.vector, axis=1),
            max(searched, len(ids)),  # items may have come since they were counted
        )
        return dict(zip(ids, judged.probabilities.tolist(), strict=True)), judged.present

    def _threshold(self, rate: float) -> float:
        if self.bundle.calibration is None:
            raise UsageError(
                f"a false-match rate of {rate}",
                f"the model {self.bundle.name} has no calibration to tell by",
                "leave it out, or export the run again with validation data",
            )
        return probability.threshold(self.bundle.calibration, rate)


def _stack(found: Sequence[Stored]) -> NDArray[np.float32]:
    return np.array([near.vector for near in found], dtype=np.float32)


def _embedded(self: Gallery, views: Sequence[QueryImage | Like]) -> NDArray[np.float32]:
    """Vectors (q, dim) of a query's views."""
    out = np.empty((len(views), self.bundle.dim), dtype=np.float32)
    rows: dict[str | None, list[int]] = {}
    for row, view in enumerate(views):
        rows.setdefault(view.domain if isinstance(view, QueryImage) else None, []).append(row)
    for domain, places in rows.items():
        if domain is None:
            out[places] = self.vectors([v.id for v in views if isinstance(v, Like)])
        else:
            same = [v for v in views if isinstance(v, QueryImage) and v.domain == domain]
            out[places] = self.encoder.encode_pixels([v.pixels for v in same], domain)
    return out
