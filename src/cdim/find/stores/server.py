"""A gallery's database on a Qdrant server or cluster (extra `cdim[cluster]`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cdim import strict
from cdim.bundles.bundle import Bundle
from cdim.errors import GalleryError, MissingExtra, UsageError
from cdim.find.filters import Condition, OneOf
from cdim.find.stores import store
from cdim.find.stores.record import Record
from cdim.find.stores.store import Store

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

KEY = "QDRANT_API_KEY"  # the environment variable that holds the server's key, if it needs one
MARK = "cdim"  # where the record of the model lies in the collection's own metadata


def shown(url: str) -> str:
    """A URL as messages may repeat it: without user and password."""
    return re.sub(r"(?<=://).*@", "", url, flags=re.DOTALL)


def open_url(url: str, given: Bundle | None, create: bool) -> tuple[Bundle, ServerStore]:
    """Opens a collection, http(s)://host:6333/collection, with the errors of `Gallery.open`.

    `given` is the model's bundle, which a server does not keep; the environment holds `KEY`.
    """
    wrong = UsageError(
        f"gallery {shown(url)!r}",
        "a URL names the server and the collection",
        "write it as http://host:6333/collection",
    )
    try:
        parts = urlsplit(url)
    except ValueError:
        raise wrong from None
    server, _, collection = parts.path.rpartition("/")
    if not parts.hostname or not collection:
        raise wrong
    if given is None:
        raise UsageError(
            f"no model for the gallery {shown(url)}",
            "a server keeps the vectors, not the model",
            "name its bundle",
            argument="model",
        )
    try:
        from qdrant_client import QdrantClient
    except ModuleNotFoundError:
        raise MissingExtra(
            "qdrant-client is not installed",
            "galleries on a server need the extra [cluster]",
            "pip install 'cdim[cluster]'",
        ) from None
    address = f"{parts.scheme}://{parts.netloc}{server}"
    try:
        client = QdrantClient(
            url=address, api_key=os.environ.get(KEY), check_compatibility=False, timeout=60
        )
    except ValueError:  # no such port, or no such name
        raise wrong from None
    return given, ServerStore(client, collection, shown(url), given, create)


class ServerStore(Store):
    """A collection of a server, called `place` in messages; `open_url` tells the rest."""

    chunk = 200

    def __init__(
        self, client: QdrantClient, collection: str, place: str, bundle: Bundle, create: bool
    ) -> None:
        from qdrant_client import models

        super().__init__()
        self._client = client
        self._name = collection
        self._place = place
        self._models = models
        with self._failing():
            there = client.collection_exists(collection)
            if create and not there:
                self._create(bundle)
            elif not there:
                raise GalleryError(
                    f"there is no gallery {place}",
                    "a collection is made by the first indexing",
                    "check the URL, or index a folder of images into a new gallery",
                )
            config = client.get_collection(collection)
        remembered = (config.config.metadata or {}).get(MARK)
        if remembered is None:
            raise GalleryError(
                f"the collection {place} was not made by cdim",
                "a gallery remembers its model",
                "name another collection",
            )
        Record.read(remembered, place).check(bundle, place)
        self._indexed.update(map(store.bare, config.payload_schema))

    def optimise(self) -> None:
        """See `Store.optimise`: a server does so by itself."""

    def flush(self) -> None:
        """See `Store.flush`: a server does so by itself."""

    def close(self) -> None:
        """See `Store.close`."""
        self._client.close()

    def _create(self, bundle: Bundle) -> None:
        self._client.create_collection(
            self._name,
            vectors_config=self._models.VectorParams(
                size=bundle.dim, distance=self._models.Distance.EUCLID
            ),
            hnsw_config=self._models.HnswConfigDiff(
                m=store.HNSW_M, ef_construct=store.HNSW_CONSTRUCT
            ),
            optimizers_config=self._models.OptimizersConfigDiff(indexing_threshold=store.HNSW_FROM),
            metadata={MARK: strict.plain(Record.of(bundle))},
        )
        self._index(store.FIELDS, "keyword")

    def _make_index(self, key: str, kind: str) -> None:
        known = self._models.PayloadSchemaType(kind)
        self._client.create_payload_index(self._name, key, known, wait=True)

    def _upsert(self, points: Iterable[tuple[str, list[float], dict[str, Any]]]) -> None:
        made = [
            self._models.PointStruct(id=number, vector=vector, payload=payload)
            for number, vector, payload in points
        ]
        self._client.upsert(self._name, made, wait=True)

    def _delete(self, points: list[Any]) -> None:
        self._client.delete(self._name, points, wait=True)

    def _retrieve(self, points: list[Any], wanted: list[str], vectors: bool) -> list[Any]:
        return self._client.retrieve(self._name, points, wanted, vectors)

    def _query(self, vector: list[float], k: int, chosen: Any, vectors: bool) -> list[Any]:
        found = self._client.query_points(
            self._name,
            query=vector,
            limit=k,
            query_filter=chosen,
            with_payload=store.LIST,
            with_vectors=vectors,
            search_params=self._models.SearchParams(hnsw_ef=store.HNSW_EF),
        )
        return found.points

    def _scroll(
        self, chosen: Any, limit: int, after: str | None, vectors: bool
    ) -> tuple[Sequence[Any], Any]:
        return self._client.scroll(
            self._name,
            scroll_filter=chosen,
            limit=limit,
            offset=after,
            with_payload=store.LIST,
            with_vectors=vectors,
        )

    def _count(self, chosen: Any) -> int:
        return self._client.count(self._name, chosen, exact=True).count

    def _facet(self, key: str, chosen: Any, limit: int, exact: bool) -> Iterable[Any]:
        return self._client.facet(
            self._name, key, facet_filter=chosen, limit=limit, exact=exact
        ).hits

    def _filter(self, where: Sequence[Condition], without: Sequence[str] = ()) -> Any:
        """The filter in the client's classes, or None."""
        if not where and not without:
            return None
        other = self._models.HasIdCondition(has_id=[store.point_id(i) for i in without])
        return self._models.Filter(
            must=[self._condition(c) for c in where], must_not=[other] if without else None
        )

    def _condition(self, condition: Condition) -> Any:
        if isinstance(condition, OneOf):
            words = self._models.MatchAny(any=list(condition.words))
            return self._models.FieldCondition(
                key=store.path("words", condition.field), match=words
            )
        kind: Any = self._models.DatetimeRange if condition.of_dates else self._models.Range
        return self._models.FieldCondition(
            key=store.ranged(condition), range=kind(**condition.ends)
        )

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turns the client's errors into what they mean."""
        from qdrant_client.http.exceptions import ApiException

        try:
            yield
        except (ApiException, OSError) as error:
            said = " ".join(str(error).split())[:300]
            raise GalleryError(
                f"the server of {self._place} refuses ({said})",
                "a Qdrant server answers there; if it needs a key, the environment variable "
                f"{KEY} holds it",
                "check the URL and the server's log",
            ) from None
