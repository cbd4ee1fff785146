"""One self-contained HTML page of ranked lists: worst failures and confident mistakes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.data import images
from cdim.data.manifest import NO_CAMERA, Manifest
from cdim.data.thumbnails import data_uri, thumbnail
from cdim.disk import write_whole
from cdim.errors import UsageError
from cdim.judge.report import Report
from cdim.judge.templates import render
from cdim.metrics.retrieval import CameraPairs
from cdim.metrics.significance import LEVEL

LISTS = 40
CONFIDENT = 10
SHOWN = 8
THUMBNAIL = 112


@dataclass(frozen=True)
class _Item:
    """One gallery image of a ranked list."""

    place: int
    instance: str
    shows: str
    distance: float
    correct: bool
    beyond: bool
    picture: str


@dataclass(frozen=True)
class _List:
    """One query and its hits."""

    instance: str
    shows: str
    picture: str
    rank: int
    confidence: float
    items: list[_Item]


@dataclass(frozen=True)
class _CameraTable:
    """Shares of one metric, ready to print: a row a query camera, a cell a gallery camera."""

    name: str
    gallery_cameras: list[int]
    rows: list[tuple[int, list[str]]]


@dataclass(frozen=True)
class _Number:
    """One metric, ready to print."""

    name: str
    value: str
    low: str
    high: str


def write_page(
    report: Report,
    query_manifest: Manifest,
    gallery_manifest: Manifest,
    path: str | os.PathLike[str],
) -> Path:
    """Writes the page: numbers with intervals, confident mistakes, then lists, worst first.

    At most 40 lists are shown; the page says how many it leaves out. Each shows the 8 nearest
    gallery images that count under the protocol and, if none of them is correct, the first that
    is, with its rank. Images travel inside the page: it can be mailed.

    Args:
        report: what `evaluate` returned.
        query_manifest: the manifest of its queries.
        gallery_manifest: the manifest of its gallery.
        path: the HTML file to write.

    Returns:
        The path.

    Raises:
        UsageError: manifests that are not the report's.
        ImageError: an image that cannot be read.
        DataError: the file cannot be written.
    """
    same = len(query_manifest) == report.queries + len(report.left_out)
    if not (
        same
        and len(gallery_manifest) == report.gallery
        and np.array_equal(query_manifest.instance[report.rows], report.instances)
    ):
        raise UsageError(
            f"manifests of {len(query_manifest)} queries and {len(gallery_manifest)} gallery items "
            f"for a report on {report.queries + len(report.left_out)} and {report.gallery}",
            "the page needs the manifests the report was made from",
            "pass those to write_page",
        )
    wrong = report.ranks > 1
    # Worst rank first; among equals the more confident mistake first.
    worst = np.lexsort((-report.confidence, -report.ranks))[:LISTS]
    sure = np.flatnonzero(wrong)
    sure = sure[np.argsort(-report.confidence[sure], kind="stable")][:CONFIDENT]
    pictures = _Pictures(query_manifest.take(report.rows), gallery_manifest)
    html = render(
        "cdim.judge",
        "page.html.j2",
        report=report,
        level=f"{100 * LEVEL:.0f} %",
        numbers=_numbers(report),
        by_camera=[] if report.cameras is None else _by_camera(report.cameras),
        mistakes=int(wrong.sum()),
        calibration=_calibration(report.confidence, ~wrong),
        confident=[_ranked_list(report, int(row), pictures) for row in sure],
        worst=[_ranked_list(report, int(row), pictures) for row in worst],
        size=THUMBNAIL,
    )
    target = Path(path)
    write_whole(target, html.encode("utf-8", "backslashreplace"))
    return target


class _Pictures:
    """Thumbnails as data URIs, each image read once."""

    def __init__(self, queries: Manifest, gallery: Manifest) -> None:
        self.queries = queries
        self.gallery = gallery
        self._made: dict[tuple[bool, int], str] = {}

    def of_query(self, row: int) -> str:
        return self._thumbnail(True, row)

    def of_gallery(self, row: int) -> str:
        return self._thumbnail(False, row)

    def _thumbnail(self, query: bool, row: int) -> str:
        if (query, row) not in self._made:
            manifest = self.queries if query else self.gallery
            pixels = images.read(manifest.source[row], manifest.root)
            self._made[query, row] = data_uri(thumbnail(pixels))
        return self._made[query, row]


def _ranked_list(report: Report, row: int, pictures: _Pictures) -> _List:
    queries, gallery = pictures.queries, pictures.gallery
    wanted = str(report.instances[row])

    def item(place: int, column: int, distance: float, beyond: bool = False) -> _Item:
        name = str(gallery.instance[column])
        return _Item(
            place=place,
            instance=name,
            shows=_shows(gallery, column),
            distance=float(distance),
            correct=name == wanted,
            beyond=beyond,
            picture=pictures.of_gallery(column),
        )

    pairs = zip(report.order[row, :SHOWN], report.distances[row, :SHOWN], strict=True)
    items = [item(place, int(c), d) for place, (c, d) in enumerate(pairs, start=1) if c >= 0]
    if not any(shown.correct for shown in items):
        first, distance = int(report.first[row]), report.first_distance[row]
        items.append(item(int(report.ranks[row]), first, distance, beyond=True))
    return _List(
        instance=wanted,
        shows=_shows(queries, row),
        picture=pictures.of_query(row),
        rank=int(report.ranks[row]),
        confidence=float(report.confidence[row]),
        items=items,
    )


def _shows(manifest: Manifest, row: int) -> str:
    """The domain of an image and, where there is one, its camera."""
    camera = int(manifest.camera[row])
    return str(manifest.domain[row]) + (f", camera {camera}" if camera != NO_CAMERA else "")


def _by_camera(pairs: CameraPairs) -> list[_CameraTable]:
    def cells(shares: NDArray[np.float64]) -> list[str]:
        return ["–" if np.isnan(share) else f"{100 * share:.1f} %" for share in shares]

    return [
        _CameraTable(
            name,
            pairs.gallery_cameras.tolist(),
            [(int(c), cells(row)) for c, row in zip(pairs.query_cameras, shares, strict=True)],
        )
        for name, shares in (("rank-1", pairs.rank_1), ("mAP_step", pairs.map_step))
    ]


def _numbers(report: Report) -> list[_Number]:
    names = {
        "median_rank": "median rank",
        "mean_rank": "mean rank",
        "triplet_accuracy": "human triplets",
    }
    numbers = []
    for key, found in report.metrics.items():
        rank = key.endswith("rank")
        texts = [
            f"{x:.1f}" if rank else f"{100 * x:.1f} %" for x in (found.value, found.low, found.high)
        ]
        numbers.append(_Number(names.get(key, key), *texts))
    return numbers


def _calibration(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> list[str] | None:
    """Shares right of the most and the least confident quarter of the queries; None for too few."""
    quarter = len(right) // 4
    if quarter == 0:
        return None
    by_confidence = np.argsort(-confidence, kind="stable")
    halves = by_confidence[:quarter], by_confidence[-quarter:]
    return [f"{100 * right[part].mean():.0f} %" for part in halves]
