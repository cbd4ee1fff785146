"""Rank of the true photo against the share of a sketch that is drawn, on QMUL-ChairV2.

    python benchmarks/strokes.py BUNDLE --data DIR                       # the table
    python benchmarks/strokes.py BUNDLE --data DIR --curve docs/strokes.svg

Every sketch of the test split is cut after 10 %, 20 %, ... of its points, in drawing order, and
searched among the photos of that split. It is drawn twice: as drawn on its canvas, and centred and
scaled to fill 225 of 256 pixels, which is what `cdim search` does. Photos that are also in a set
the model was trained on (near copies, see `cdim.data.check.duplicates`) stay in the gallery, but
their sketches are left out. Intervals of acc@K redraw photos, with all their sketches; that of the
median redraws sketches.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.encoder import Encoder
from cdim.data import drawings, images, strokes
from cdim.data.check import duplicates
from cdim.data.manifest import Manifest
from cdim.data.sets import chairv2, qmul
from cdim.metrics.distances import distances
from cdim.metrics.significance import Estimate, bootstrap, bootstrap_ratio

SHARES = tuple(round(0.1 * step, 1) for step in range(1, 11))
PLACEMENTS = ("as drawn", "centred")
CAPTION = "share of sketches whose photo is found first (dashed) or among the first 10 of 100"
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333; }
line { stroke: #8886; }
polygon { opacity: .15; }
polyline { stroke-width: 2; }
.dashed { stroke-dasharray: 5 4; }
polygon.a, text.a { fill: #0b6bcb; }
polygon.b, text.b { fill: #c2410c; }
polyline.a { fill: none; stroke: #0b6bcb; }
polyline.b { fill: none; stroke: #c2410c; }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd; }
  polygon.a, text.a { fill: #6cb2ff; }
  polygon.b, text.b { fill: #ff9a62; }
  polyline.a { stroke: #6cb2ff; }
  polyline.b { stroke: #ff9a62; }
}
"""


@dataclass(frozen=True)
class Point:
    """What was measured at one share."""

    share: float
    acc_1: Estimate
    acc_10: Estimate
    median: Estimate


def seen(root: Path, gallery: Manifest) -> set[str]:
    """Instances of the gallery whose photo is also a chair of QMUL v1, train split."""
    old = qmul.rgb_manifest(root, "chair").where(domain="photo", split="train")
    prints = [
        duplicates.fingerprint(images.read(source, manifest.root))
        for manifest in (old, gallery)
        for source in manifest.source
    ]
    found = duplicates.find(prints)
    pairs = [(a, b) for a, b, _ in found.near]
    pairs += [(g[0], row) for g in found.exact for row in g[1:]]
    return {str(gallery.instance[b - len(old)]) for a, b in pairs if a < len(old) <= b}


def placed(drawing: strokes.Strokes, placement: str, name: str) -> strokes.Strokes:
    """The drawing where it is on its canvas, or in the middle."""
    if placement == "as drawn":
        return drawing
    return drawings.centred(list(drawing.lines), name)


def judged(share: float, ranks: NDArray[np.int64], photos: NDArray[np.str_]) -> Point:
    """The numbers at one share, from the true photo's rank for each sketch."""
    _, group = np.unique(photos, return_inverse=True)
    counts = np.bincount(group)

    def within(k: int) -> Estimate:
        return bootstrap_ratio(np.bincount(group, ranks <= k), counts)

    return Point(share, within(1), within(10), bootstrap(ranks, np.median))


def measure(bundle: str, root: Path) -> tuple[dict[str, list[Point]], str]:
    """The points of each placement, and what they were measured on, in words."""
    test = chairv2.manifest(root).where(split="test")
    gallery, query = test.where(role="gallery"), test.where(role="query")
    known = seen(root, gallery)
    query = query.take(~np.isin(query.instance, sorted(known)))
    model = Encoder(bundle)
    offered = model.embed(gallery)
    column = {name: i for i, name in enumerate(gallery.instance.tolist())}
    wanted = np.array([column[name] for name in query.instance.tolist()])
    file = strokes.open_file(*_strokes(query))
    whole = [file[str(source).rpartition("#")[2]] for source in query.source]
    points: dict[str, list[Point]] = {name: [] for name in PLACEMENTS}
    for placement in PLACEMENTS:
        for share in SHARES:
            pictures = [strokes.draw(placed(d.upto(share), placement, "it")) for d in whole]
            apart = distances(model.encode_pixels(pictures, "sketch"), offered)
            true = apart[np.arange(len(wanted)), wanted]
            ranks = (apart <= true[:, None]).sum(axis=1)
            points[placement].append(judged(share, ranks, query.instance))
            print(placement, share, points[placement][-1], flush=True)
    said = (
        f"{model.bundle.name}, {len(query)} sketches of {len(np.unique(query.instance))} photos, "
        f"{len(gallery)} photos searched, {len(known)} photos known from training left out as "
        f"targets"
    )
    return points, said


def _strokes(query: Manifest) -> tuple[bytes, str]:
    """The content and name of the file that the sketches are in."""
    from cdim.data import files

    place = str(query.source[0]).rpartition("#")[0]
    path, _, member = place.partition("!")
    return files.read_bytes(Path(query.root) / path, member), place


def table(points: dict[str, list[Point]]) -> str:
    """Markdown, one row a share."""
    lines = ["| drawn | placed | acc@1 % | acc@10 % | median rank |", "|--:|---|--:|--:|--:|"]

    def cell(found: Estimate, scale: float) -> str:
        value, low, high = (f"{scale * x:.1f}" for x in (found.value, found.low, found.high))
        return f"{value} [{low}, {high}]"

    for rows in zip(*points.values(), strict=True):
        for name, p in zip(points, rows, strict=True):
            cells = (cell(p.acc_1, 100), cell(p.acc_10, 100), cell(p.median, 1))
            lines.append(f"| {100 * p.share:.0f} % | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def curve(points: dict[str, list[Point]], title: str) -> str:
    """An SVG of acc@10 and acc@1 against the share drawn, readable on light and dark."""
    left, top, width, height = 52, 34, 520, 280

    def x(share: float) -> float:
        return left + width * share

    def y(value: float) -> float:
        return top + height * (1 - value)

    box = f"0 0 {left + width + 130} {top + height + 44}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">',
        f"<title>{title}</title>\n<style>{STYLE}</style>",
        f'<text x="{left}" y="16">{CAPTION}</text>',
    ]
    for tick in range(0, 101, 20):
        at = y(tick / 100)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4}" text-anchor="end">{tick} %</text>')
        where = f'x="{x(tick / 100)}" y="{top + height + 18}"'
        parts.append(f'<text {where} text-anchor="middle">{tick} %</text>')
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 38}" text-anchor="middle">share of the '
        "drawing's points</text>"
    )
    for shade, (name, measured) in zip("ab", points.items(), strict=True):
        for metric, dashed in (("acc_10", ""), ("acc_1", " dashed")):
            found: list[Estimate] = [getattr(p, metric) for p in measured]
            line = _at([(x(p.share), y(e.value)) for p, e in zip(measured, found, strict=True)])
            band = [(x(p.share), y(e.low)) for p, e in zip(measured, found, strict=True)]
            band += [(x(p.share), y(e.high)) for p, e in zip(measured, found, strict=True)][::-1]
            parts.append(f'<polygon class="{shade}" points="{_at(band)}"/>')
            parts.append(f'<polyline class="{shade}{dashed}" points="{line}"/>')
            # The placements end close to each other: the better one's name goes above.
            best = max(points, key=lambda other: getattr(points[other][-1], metric).value)
            where = f'x="{x(1) + 8}" y="{y(found[-1].value) + (-2 if name == best else 12):.1f}"'
            label = f"{name}, {metric.replace('_', '@')}"
            parts.append(f'<text class="{shade}" {where}>{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _at(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def main() -> None:
    """Measures, prints the table, writes the curve."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bundle")
    arguments.add_argument("--data", type=Path, required=True, metavar="DIR")
    arguments.add_argument("--curve", type=Path, metavar="SVG")
    given = arguments.parse_args()
    points, said = measure(given.bundle, given.data)
    print(said)
    print(table(points))
    if given.curve:
        given.curve.write_text(curve(points, said), encoding="utf-8")


if __name__ == "__main__":
    main()
