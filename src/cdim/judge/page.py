"""One self-contained HTML page of ranked lists: worst failures and confident mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def write_page(
    report: Report, query_manifest: Manifest, gallery_manifest: Manifest, path: str | Path
) -> Path:
    """Writes the page: numbers with intervals, confident mistakes, then lists, worst first.

    At most 40 lists are shown; the page says how many it leaves out. Each shows the 8 nearest
    gallery images that count under the protocol and, if none of them is correct, the first that
    is, with its rank. Images travel inside the page: it can be mailed.

    Args:
        report: what `evaluate` returned.
        query_manifest, gallery_manifest: those of its queries and its gallery.
        path: the HTML file to write; it is returned.

    Raises:
        UsageError: manifests that are not the report's.
        ImageError: an image that cannot be read.
        DataError: the file cannot be written.
    """
    given = len(query_manifest), len(gallery_manifest)
    judged = report.queries + len(report.left_out), report.gallery
    if given != judged or (query_manifest.instance[report.rows] != report.instances).any():
        raise UsageError(
            f"manifests of {given[0]} queries and {given[1]} gallery items "
            f"for a report on {judged[0]} and {judged[1]}",
            "the page needs the manifests the report was made from",
            "pass those to write_page",
        )
    wrong = report.ranks > 1
    # Worst rank first; among equals the more confident mistake first.
    worst = np.lexsort((-report.confidence, -report.ranks))[:LISTS]
    sure = np.flatnonzero(wrong)
    sure = sure[np.argsort(-report.confidence[sure], kind="stable")][:CONFIDENT]
    pictures = _Pictures(query_manifest.take(report.rows)), _Pictures(gallery_manifest)
    html = render(
        "cdim.judge",
        "page.html.j2",
        report=report,
        level=f"{100 * LEVEL:.0f} %",
        numbers=_numbers(report),
        by_camera=[] if report.cameras is None else _by_camera(report.cameras),
        mistakes=int(wrong.sum()),
        calibration=_calibration(report.confidence, ~wrong),
        confident=[_ranked_list(report, int(row), *pictures) for row in sure],
        worst=[_ranked_list(report, int(row), *pictures) for row in worst],
        size=THUMBNAIL,
    )
    target = Path(path)
    write_whole(target, html.encode("utf-8", "backslashreplace"))
    return target


class _Pictures:
    """Thumbnails of a manifest's images as data URIs, each image read once."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._made: dict[int, str] = {}

    def shown(self, row: int) -> dict[str, Any]:
        """Name, origin and picture of an image, as the template wants them."""
        if row not in self._made:
            pixels = images.read(self.manifest.source[row], self.manifest.root)
            self._made[row] = data_uri(thumbnail(pixels))
        camera = int(self.manifest.camera[row])
        taken_by = f", camera {camera}" if camera != NO_CAMERA else ""
        return {
            "instance": str(self.manifest.instance[row]),
            "shows": f"{self.manifest.domain[row]}{taken_by}",
            "picture": self._made[row],
        }


def _ranked_list(
    report: Report, row: int, queries: _Pictures, gallery: _Pictures
) -> dict[str, Any]:
    """One query and its hits."""
    query = queries.shown(row)

    def item(place: int, column: int, distance: float, beyond: bool = False) -> dict[str, Any]:
        shown = gallery.shown(column)
        correct = shown["instance"] == query["instance"]
        return {"place": place, "distance": distance, "correct": correct, "beyond": beyond, **shown}

    pairs = zip(report.order[row, :SHOWN].tolist(), report.distances[row, :SHOWN], strict=True)
    items = [item(place, column, d) for place, (column, d) in enumerate(pairs, 1) if column >= 0]
    rank = int(report.ranks[row])
    if not any(shown["correct"] for shown in items):
        first, distance = int(report.first[row]), report.first_distance[row]
        items.append(item(rank, first, distance, beyond=True))
    return {"rank": rank, "confidence": report.confidence[row], "items": items, **query}


def _by_camera(pairs: CameraPairs) -> list[tuple[str, list[tuple[int, list[str]]]]]:
    """Of two metrics the name and the shares, ready to print: a row a query camera."""

    def cells(shares: NDArray[np.float64]) -> list[str]:
        return ["–" if np.isnan(share) else f"{100 * share:.1f} %" for share in shares]

    return [
        (name, [(int(c), cells(row)) for c, row in zip(pairs.query_cameras, shares, strict=True)])
        for name, shares in (("rank-1", pairs.rank_1), ("mAP_step", pairs.map_step))
    ]


def _numbers(report: Report) -> list[list[str]]:
    """Name, value, low and high of each metric, ready to print."""
    numbers = []
    for key, found in report.metrics.items():
        words = "human triplets" if key == "triplet_accuracy" else key.replace("_rank", " rank")
        bounds = (found.value, found.low, found.high)
        texts = [f"{x:.1f}" if key.endswith("rank") else f"{100 * x:.1f} %" for x in bounds]
        numbers.append([words, *texts])
    return numbers


def _calibration(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> list[str] | None:
    """Shares right of the most and the least confident quarter of the queries; None for too few."""
    quarter = len(right) // 4
    if quarter == 0:
        return None
    by_confidence = np.argsort(-confidence, kind="stable")
    halves = by_confidence[:quarter], by_confidence[-quarter:]
    return [f"{100 * right[part].mean():.0f} %" for part in halves]
