"""A gallery's database in this process: Qdrant Edge.

Qdrant Edge opens every file to write. Of a folder that can only be read, a copy is searched.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from cdim.errors import GalleryError, first_line
from cdim.find.filters import Condition, OneOf
from cdim.find.stores import store
from cdim.find.stores.store import Store

_LOG = logging.getLogger(__name__)


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
        with self._failing(), ExitStack() as closing:
            if create:
                self._shard = edge.EdgeShard.create(str(folder), _config(dim))
            else:
                own = not folder.is_dir() or _is_writable(folder)
                self._shard = edge.EdgeShard.load(str(folder if own else self._copied(closing)))
            self._closing = closing.pop_all()
            self._indexed.update(map(store.bare, self._shard.info().payload_schema))
            if create:
                self._index(store.FIELDS, "keyword")

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
        with self._failing(), self._closing:
            self._shard.close()

    def _copied(self, closing: ExitStack) -> Path:
        """A copy in a temporary folder."""
        size = sum(_size(file) for file in self._folder.rglob("*"))
        self.read_only = f"the gallery {self._folder.parent} is read-only"
        home, free = tempfile.gettempdir(), shutil.disk_usage(tempfile.gettempdir()).free
        if size > free:
            raise GalleryError(
                f"{self.read_only}, and its {size / 1e6:,.0f} MB do not fit into {home}",
                f"a copy there is searched; {free / 1e6:,.0f} MB are free",
                "name a folder with more room by the environment variable TMPDIR",
            )
        made = closing.enter_context(tempfile.TemporaryDirectory(prefix="cdim-gallery-"))
        _LOG.warning("%s: a copy of %.1f MB in %s is searched", self.read_only, size / 1e6, home)
        copy = Path(made, "shard")
        with _shared(self._folder):
            shutil.copytree(self._folder, copy, copy_function=_copy)
        for path in (copy, *copy.rglob("*")):
            path.chmod(0o700)
        return copy

    def _make_index(self, key: str, kind: str) -> None:
        known = getattr(edge.PayloadSchemaType, kind.capitalize())
        self._shard.update(edge.UpdateOperation.create_field_index(key, known))

    def _upsert(self, points: Iterable[tuple[str, list[float], dict[str, Any]]]) -> None:
        made = [edge.Point(*point) for point in points]
        self._shard.update(edge.UpdateOperation.upsert_points(made))

    def _delete(self, points: list[Any]) -> None:
        self._shard.update(edge.UpdateOperation.delete_points(points))

    def _retrieve(self, points: list[Any], wanted: list[str], vectors: bool) -> list[Any]:
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
        return self._shard.query(request)

    def _scroll(
        self, chosen: Any, limit: int, after: str | None, vectors: bool
    ) -> tuple[Sequence[Any], Any]:
        request = edge.ScrollRequest(
            offset=after, limit=limit, filter=chosen, with_payload=store.LIST, with_vector=vectors
        )
        return self._shard.scroll(request)

    def _count(self, chosen: Any) -> int:
        return self._shard.count(edge.CountRequest(exact=True, filter=chosen))

    def _facet(self, key: str, chosen: Any, limit: int, exact: bool) -> Iterable[Any]:
        request = edge.FacetRequest(key, limit=limit, exact=exact, filter=chosen)
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
        """Turns errors of Qdrant Edge, which have no class of their own, into ours."""
        try:
            yield
        except GalleryError:
            raise
        except Exception as error:
            raise _meaning(error, self._folder.parent) from None


def _size(path: Path) -> int:
    """Bytes on the disk: Qdrant Edge makes files large and leaves most of them empty."""
    status = path.stat()
    return min(status.st_size, 512 * getattr(status, "st_blocks", status.st_size))


def _copy(source: str, target: str) -> None:
    """Copies a file; what of it is empty takes no room."""
    with Path(source).open("rb") as read, Path(target).open("wb") as written:
        while block := read.read(2**16):
            if block.strip(b"\0"):
                written.write(block)
            else:
                written.seek(len(block), os.SEEK_CUR)
        written.truncate()


def _is_writable(folder: Path) -> bool:
    """Whether all of a folder can be written."""
    return all(os.access(path, os.W_OK) for path in (folder, *folder.rglob("*")))


@contextmanager
def _shared(folder: Path) -> Iterator[None]:
    """Keeps writers away meanwhile, on systems that have such locks, as Qdrant Edge locks."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    lock = os.open(folder / "wal", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _meaning(error: Exception, place: Path) -> GalleryError:
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
