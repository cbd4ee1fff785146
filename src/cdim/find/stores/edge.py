"""A gallery's database in this process: Qdrant Edge.

Qdrant Edge opens every file to write. Of a folder that can only be read, a copy is searched.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from cdim.disk import write_whole
from cdim.errors import GalleryError, first_line
from cdim.find.filters import Condition, OneOf
from cdim.find.stores import shard, store
from cdim.find.stores.store import Store

COUNT = "items"  # a file in the shard that says how many there are, until one is written


class EdgeStore(Store):
    """A folder that one process at a time owns.

    Raises:
        GalleryError: another process has it open, it is missing or damaged, or it can only be read
            and a copy has no room.
    """

    chunk = 1000

    def __init__(self, folder: Path, dim: int, create: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._dim = dim
        self._told = folder / COUNT
        self._busy = threading.RLock()
        with self._failing(), ExitStack() as closing:
            if create:
                shard.check_room(folder)
                self._shard = edge.EdgeShard.create(str(folder), _config(dim))
                closing.enter_context(shard.owned(folder))
            else:
                self.read_only = why = shard.why_read_only(folder)
                own = shard.copied(folder, why) if why else shard.owned(folder)
                self._shard = shard.load(closing.enter_context(own))
                self._check_count()
            self._closing = closing.pop_all()
            self._indexed.update(map(store.bare, self._shard.info().payload_schema))
            if create:
                self._index(store.FIELDS, "keyword")

    def check_writable(self) -> None:
        """See `Store.check_writable`; refuses as well where the disk is nearly full."""
        super().check_writable()
        shard.check_room(self._folder)
        self._told.unlink(missing_ok=True)

    def optimise(self) -> None:
        """See `Store.optimise`; Ctrl-C ends it."""
        with self._failing():
            if self._shard.info().points_count * self._dim * 4 < store.HNSW_FROM * 1024:
                self._shard.optimize()
                return
            self._shard.close()
            try:
                shard.build(self._folder)
            finally:
                self._shard = shard.load(self._folder)

    def flush(self) -> None:
        """See `Store.flush`."""
        with self._failing():
            self._shard.flush()

    def close(self) -> None:
        """See `Store.close`."""
        with self._failing(), self._closing:
            stale = not self.read_only and not self._told.exists()
            items = self._count(None) if stale else 0
            self._shard.close()
            if stale:
                with suppress(GalleryError):  # a full disk: nothing depends on it
                    write_whole(self._told, str(items).encode(), GalleryError)

    def _check_count(self) -> None:
        """Refuses a gallery that lost items since it was closed: Qdrant Edge would not tell."""
        told = self._told.read_text() if self._told.exists() else ""
        items = self._count(None)
        if told and told != str(items):
            self._shard.close()
            raise ValueError(f"{told[:20]} items were written, {items} are there")

    def _make_index(self, key: str, kind: str) -> None:
        known = getattr(edge.PayloadSchemaType, kind.capitalize())
        self._shard.update(edge.UpdateOperation.create_field_index(key, known))

    def _upsert(self, points: Iterable[tuple[str, list[float], dict[str, Any]]]) -> None:
        made = [edge.Point(*point) for point in points]
        self._shard.update(edge.UpdateOperation.upsert_points(made))

    def _delete(self, points: list[Any]) -> None:
        self._shard.update(edge.UpdateOperation.delete_points(points))

    def _retrieve(self, points: list[Any], wanted: list[str], vectors: bool) -> list[Any]:
        with shard.quiet():
            return self._shard.retrieve(points, wanted, vectors)

    def _query(self, vector: list[float], k: int, chosen: Any, vectors: bool) -> list[Any]:
        request = edge.QueryRequest(
            limit=k,
            query=edge.Query.Nearest(vector),
            filter=chosen,
            with_payload=store.LIST,
            with_vector=vectors,
            params=edge.SearchParams(hnsw_ef=store.HNSW_EF),
        )
        with shard.quiet():
            return self._shard.query(request)

    def _scroll(
        self, chosen: Any, limit: int, after: str | None, vectors: bool
    ) -> tuple[Sequence[Any], Any]:
        request = edge.ScrollRequest(
            offset=after, limit=limit, filter=chosen, with_payload=store.LIST, with_vector=vectors
        )
        with shard.quiet():
            return self._shard.scroll(request)

    def _count(self, chosen: Any) -> int:
        with shard.quiet():
            return self._shard.count(edge.CountRequest(exact=True, filter=chosen))

    def _facet(self, key: str, chosen: Any, limit: int, exact: bool) -> Iterable[Any]:
        request = edge.FacetRequest(key, limit=limit, exact=exact, filter=chosen)
        with shard.quiet():
            return self._shard.facet(request)

    def _filter(
        self, where: Sequence[Condition], without: Sequence[str] = ()
    ) -> edge.Filter | None:
        if not where and not without:
            return None
        other: list[Any] = [edge.HasIdCondition({store.point_id(i) for i in without})]
        return edge.Filter(must=[_condition(c) for c in where], must_not=other if without else None)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turns errors of Qdrant Edge, which have no class of their own, into ours.

        One thread at a time: Qdrant Edge holds the interpreter, and a build closes the shard.
        """
        try:
            with self._busy:
                yield
        except GalleryError:
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise _meaning(error, self._folder.parent) from None


def _meaning(error: BaseException, place: Path) -> GalleryError:
    said = first_line(error)
    if "WouldBlock" in said or isinstance(error, BlockingIOError):
        return GalleryError(
            f"the gallery {place} is in use by another process",
            "one process at a time owns a gallery",
            f"wait for it, or serve {place} and let all ask the server",
        )
    if "not initialized" in said:
        return GalleryError(f"the gallery {place} is closed", "it is open while used", "open it")
    if "No space left" in said:
        return GalleryError(
            f"the disk of {place} is full", "stored items are safe", "free some space and try again"
        )
    if isinstance(error, PermissionError | shutil.Error):
        return GalleryError(
            f"the gallery {place} cannot be read ({said})",
            "its files can be read, or better written",
            "change their permissions",
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


def _condition(condition: Condition) -> edge.FieldCondition:
    if isinstance(condition, OneOf):
        words = edge.MatchAny(list(condition.words))
        return edge.FieldCondition(store.path("words", condition.field), match=words)
    ends: dict[str, Any] = dict(condition.ends)
    kind: Callable[..., Any] = edge.RangeDateTime if condition.of_dates else edge.RangeFloat
    return edge.FieldCondition(store.ranged(condition), range=kind(**ends))
