"""A folder of images ranked against queries, in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.data.images import SUFFIXES, read
from cdim.data.manifest import Manifest
from cdim.errors import DataError, ImageError, UsageError
from cdim.metrics.ranking import distances
from cdim.metrics.rerank import expand_queries, k_reciprocal

Embed = Callable[[Manifest], NDArray[np.float32]]
"""Embeddings (n, d) of a manifest's n images."""

CHUNK = 16  # images in memory at a time: photos of a phone have 40 MB of pixels each


@dataclass(frozen=True)
class Hit:
    """One image that was found.

    Args:
        path: the file, starting with the folder as it was given.
        distance: smaller is nearer; `Found.distances` says of what kind.
    """

    path: Path
    distance: float


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        hits: for every query, in the order given, the nearest images first.
        gallery: number of images searched.
        unreadable: images of the folder that could not be read, each with the reason.
        distances: what the distances are, in words.
    """

    hits: dict[Path, tuple[Hit, ...]]
    gallery: int
    unreadable: dict[Path, str]
    distances: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "gallery": self.gallery,
            "distances": self.distances,
            "queries": [
                {
                    "query": str(query),
                    "hits": [{"path": str(h.path), "distance": h.distance} for h in hits],
                }
                for query, hits in self.hits.items()
            ],
            "unreadable": [{"path": str(p), "why": why} for p, why in self.unreadable.items()],
        }


def search(
    embed: Embed,
    folder: Path,
    queries: Sequence[Path],
    k: int = 10,
    progress: Callable[[int, int], None] | None = None,
    *,
    expand: int | None = None,
    rerank: bool = False,
) -> Found:
    """Ranks the images in a folder, and in the folders inside it, for every query.

    An image of the folder that cannot be read is left out and reported; a query that cannot
    be read is an error, raised before the folder is embedded.

    Args:
        embed: the model.
        folder: where to search.
        queries: image files.
        k: hits a query, at most.
        progress: called with (files done, files).
        expand: average each query with this many of its nearest images and search again.
        rerank: re-rank by k-reciprocal encoding, after the expansion. Images in each other's
            nearest 20 count as near. All queries given take part, so that a query's distances
            change with the others. Where fewer than 21 images and queries are, each is
            everything's neighbour: little is gained and the distances are small.

    Raises:
        UsageError: k or expand below 1, or no queries.
        ImageError: a query cannot be read.
        DataError: no such folder, or no readable image in it.
    """
    if k < 1 or not queries:
        raise UsageError(
            f"k = {k} and {len(queries)} queries", "each is at least 1", "name a query image"
        )
    if expand is not None and expand < 1:
        raise UsageError(f"expand = {expand}", "it is at least 1", "leave it out for no expansion")
    asked = list(dict.fromkeys(queries))
    wanted = _embed_pixels(embed, [read(str(q)) for q in asked], asked, "sketch")
    files = image_files(folder)
    paths: list[Path] = []
    parts: list[NDArray[np.float32]] = []
    unreadable: dict[Path, str] = {}
    for done, chunk in _read_chunks(files):
        good = {p: pixels for p, pixels in chunk.items() if not isinstance(pixels, ImageError)}
        unreadable.update({p: str(e) for p, e in chunk.items() if isinstance(e, ImageError)})
        if good:
            parts.append(_embed_pixels(embed, list(good.values()), list(good), "photo"))
            paths.extend(good)
        if progress is not None:
            progress(done, len(files))
    if not paths:
        raise DataError(
            f"none of the {len(files)} images in {folder} can be read",
            "a search needs one",
            f"see {next(iter(unreadable.values()))}",
        )
    matrix, kind = _compare(wanted, np.concatenate(parts), expand, rerank)
    nearest = np.argsort(matrix, axis=1, kind="stable")[:, :k]
    hits = {
        query: tuple(Hit(paths[i], float(matrix[row, i])) for i in nearest[row])
        for row, query in enumerate(asked)
    }
    return Found(hits, len(paths), unreadable, kind)


def _compare(
    query: NDArray[np.float32], gallery: NDArray[np.float32], expand: int | None, rerank: bool
) -> tuple[NDArray[np.float32], str]:
    """Distances (q, g) and what they are, in words."""
    kind = "Euclidean"
    if expand is not None:
        query = expand_queries(query, gallery, expand)
        kind = f"Euclidean from the query averaged with its {min(expand, len(gallery))} nearest"
    if rerank:
        return k_reciprocal(query, gallery), f"re-ranked, 0 to 1 (before: {kind})"
    return distances(query, gallery), kind


def image_files(folder: Path) -> list[Path]:
    """All files under a folder that are named like images, sorted.

    Raises:
        DataError: no such folder, or no images in it.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no folder", "a folder of images is searched", "check the path"
        )
    found = sorted(
        Path(where) / name
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )
    if not found:
        raise DataError(
            f"no images in {folder}", f"images end in {', '.join(SUFFIXES)}", "check the path"
        )
    return found


def _read_chunks(
    files: Sequence[Path],
) -> Iterator[tuple[int, dict[Path, NDArray[np.uint8] | ImageError]]]:
    """Pixels or the reason there are none, a chunk of files at a time, with the files done."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), CHUNK):
            names = files[start : start + CHUNK]
            yield start + len(names), dict(zip(names, pool.map(_try_read, names), strict=True))


def _try_read(path: Path) -> NDArray[np.uint8] | ImageError:
    try:
        return read(str(path))
    except ImageError as error:
        return error


def _embed_pixels(
    embed: Embed, pixels: Sequence[NDArray[np.uint8]], names: Sequence[Path], domain: str
) -> NDArray[np.float32]:
    return embed(Manifest.build(pixels, [str(n) for n in names], domain=domain))
