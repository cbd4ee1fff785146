"""A gallery's database in this process: Qdrant Edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from cdim.errors import GalleryError
from cdim.find.filters import Condition, OneOf
from cdim.find.items import Item
from cdim.find.stores import store
from cdim.find.stores.store import Stored

CHUNK = 1000  # points a write


class EdgeStore:
    """A folder that one process at a time owns. A `cdim.find.stores.store.Store`.

    Args:
        folder: where the data is.
        dim: dimensions of the vectors.
        create: make it; else it must be there.

    Raises:
        GalleryError: another process has it open, or it is missing or damaged.
    """

    def __init__(self, folder: Path, dim: int, create: bool = False) -> None:
        self._folder = folder
        with self._failing():
            self._shard = (
                edge.EdgeShard.create(str(folder), _config(dim))
                if create
                else edge.EdgeShard.load(str(folder))
            )
            self._indexed = {store.bare(key) for key in self._shard.info().payload_schema}
            if create:
                self._index(store.FIELDS, "keyword")

    def put(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        """See `Store.put`."""
        with self._failing():
            for key, kind in store.indices(items).items():
                self._index(key, kind)
            for start in range(0, len(items), CHUNK):
                rows = slice(start, start + CHUNK)
                points = [
                    edge.Point(store.point_id(item.id), vector, store.payload(item))
                    for item, vector in zip(items[rows], vectors[rows].tolist(), strict=True)
                ]
                self._shard.update(edge.UpdateOperation.upsert_points(points))

    def remove(self, ids: Sequence[str]) -> None:
        """See `Store.remove`."""
        with self._failing():
            points: list[Any] = [store.point_id(i) for i in ids]
            self._shard.update(edge.UpdateOperation.delete_points(points))

    def get(
        self, ids: Sequence[str], vectors: bool = False, thumbnails: bool = False
    ) -> list[Stored]:
        """See `Store.get`."""
        wanted = [*store.LIST, store.THUMBNAIL] if thumbnails else store.LIST
        with self._failing():
            points: list[Any] = [store.point_id(i) for i in ids]
            return [store.stored(r) for r in self._shard.retrieve(points, wanted, vectors)]

    def nearest(
        self,
        vector: NDArray[np.float32],
        k: int,
        where: Sequence[Condition],
        without: Sequence[str] = (),
        *,
        vectors: bool = False,
        exact: bool = False,
    ) -> list[Stored]:
        """See `Store.nearest`."""
        with self._failing():
            request = edge.QueryRequest(
                limit=k,
                query=edge.Query.Nearest(vector.tolist()),
                filter=_filter(where, without),
                with_payload=store.LIST,
                with_vector=vectors,
                params=edge.SearchParams(exact=exact, hnsw_ef=store.HNSW_EF),
            )
            return [store.stored(point, point.score) for point in self._shard.query(request)]

    def page(
        self,
        where: Sequence[Condition],
        limit: int,
        after: str | None = None,
        *,
        vectors: bool = False,
    ) -> tuple[list[Stored], str | None]:
        """See `Store.page`."""
        with self._failing():
            records, following = self._shard.scroll(
                edge.ScrollRequest(
                    offset=after,
                    limit=limit,
                    filter=_filter(where),
                    with_payload=store.LIST,
                    with_vector=vectors,
                )
            )
        return [store.stored(r) for r in records], None if following is None else str(following)

    def count(self, where: Sequence[Condition]) -> int:
        """See `Store.count`."""
        with self._failing():
            return self._shard.count(edge.CountRequest(exact=True, filter=_filter(where)))

    def facet(
        self, field: str, where: Sequence[Condition], limit: int, exact: bool = True
    ) -> dict[str, int]:
        """See `Store.facet`."""
        return self._facet(store.path("words", field), where, limit, exact)

    def fields(self) -> list[str]:
        """See `Store.fields`."""
        return sorted(self._facet(store.FIELDS, (), store.MAX_FIELDS, True))

    def optimise(self) -> None:
        """See `Store.optimise`."""
        with self._failing():
            self._shard.optimize()

    def flush(self) -> None:
        """See `Store.flush`."""
        with self._failing():
            self._shard.flush()

    def close(self) -> None:
        """See `Store.close`."""
        with self._failing():
            self._shard.close()

    def _index(self, key: str, kind: str) -> None:
        if store.bare(key) not in self._indexed:
            known = getattr(edge.PayloadSchemaType, kind.capitalize())
            self._shard.update(edge.UpdateOperation.create_field_index(key, known))
            self._indexed.add(store.bare(key))

    def _facet(
        self, key: str, where: Sequence[Condition], limit: int, exact: bool
    ) -> dict[str, int]:
        with self._failing():
            request = edge.FacetRequest(key, limit=limit, exact=exact, filter=_filter(where))
            # Values that only removed items had are still listed.
            return {str(hit.value): hit.count for hit in self._shard.facet(request) if hit.count}

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turns errors of Qdrant Edge, which have no class of their own, into ours."""
        try:
            yield
        except GalleryError:
            raise
        except Exception as error:
            raise _meaning(error, self._folder) from None


def _meaning(error: Exception, folder: Path) -> GalleryError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    place = folder.parent
    if "WouldBlock" in said:
        return GalleryError(
            f"the gallery {place} is in use by another process",
            "one process at a time owns a gallery",
            f"wait for it, or serve {place} and let all ask the server",
        )
    if "not initialized" in said:
        return GalleryError(f"the gallery {place} is closed", "it is open while used", "open it")
    if "No space left" in said:
        return GalleryError(
            f"the disk of {place} is full",
            "stored items are safe",
            "free some space and try again",
        )
    return GalleryError(
        f"the gallery {place} is corrupted ({said})",
        "its data are as cdim wrote them",
        "restore a backup, or index into a new folder",
    )


def _config(dim: int) -> edge.EdgeConfig:
    graph = edge.HnswIndexConfig(store.HNSW_M, store.HNSW_CONSTRUCT, full_scan_threshold=10_000)
    return edge.EdgeConfig(
        vectors={"": edge.EdgeVectorParams(dim, edge.Distance.Euclid)},
        hnsw_config=graph,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=store.HNSW_FROM),
    )


def _filter(where: Sequence[Condition], without: Sequence[str] = ()) -> edge.Filter | None:
    if not where and not without:
        return None
    other: list[Any] = [edge.HasIdCondition({store.point_id(i) for i in without})]
    return edge.Filter(must=[_condition(c) for c in where], must_not=other if without else None)


def _condition(condition: Condition) -> edge.FieldCondition:
    if isinstance(condition, OneOf):
        words = edge.MatchAny(list(condition.words))
        return edge.FieldCondition(store.path("words", condition.field), match=words)
    ends: dict[str, Any] = dict(condition.ends)
    kind: Callable[..., Any] = edge.RangeDateTime if condition.of_dates else edge.RangeFloat
    return edge.FieldCondition(store.ranged(condition), range=kind(**ends))
