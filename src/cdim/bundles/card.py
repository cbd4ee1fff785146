"""The model card of a bundle: README.md, and reliability.svg where it is calibrated."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cdim.bundles.bundle import CARD, Bundle
from cdim.judge.templates import render
from cdim.metrics.calibration.cross_fit import Reliability
from cdim.metrics.calibration.probability import threshold
from cdim.metrics.calibration.reliability import Bin

DIAGRAM = "reliability.svg"

_SIDE = 300.0  # of a panel of the diagram, in its own units
_BARS = 44.0  # height of the longest bar below it


def write(bundle: Bundle, folder: Path, reliability: Reliability | None = None) -> Path:
    """Writes the card into a folder, whose older card it replaces, and returns its path.

    `reliability` says how far the probabilities can be trusted, from searches that they were not
    fitted to; without it there is no diagram.
    """
    thresholds: list[float] = []
    if reliability is not None:
        panels = [
            _panel("this hit is the same instance", reliability.hits, reliability.ece_hits),
            _panel("it is in this gallery", reliability.present, reliability.ece_present),
        ]
        count = reliability.searches
        shown = {"panels": panels, "side": _SIDE, "bars": _BARS, "searches": count}
        _write(folder / DIAGRAM, "reliability.svg.j2", **shown)
        if bundle.calibration is not None:
            thresholds = [threshold(bundle.calibration, row.rate) for row in reliability.accepted]
    edged = [name for name, taken in bundle.domains.items() if taken == "edge" != name]
    values = {"bundle": bundle, "reliability": reliability, "thresholds": thresholds}
    return _write(folder / CARD, "card.md.j2", **values, diagram=DIAGRAM, edged=edged)


def _write(path: Path, template: str, **values: Any) -> Path:
    filters: dict[str, Callable[..., str]] = {"percent": _percent, "cell": _cell}
    text = render("cdim.bundles", template, {**filters, "count": "{:,}".format}, **values)
    path.write_text(text, encoding="utf-8")
    return path


def interval(true: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: its two ends, 0 to 1.

    >>> [round(end, 3) for end in interval(5, 10)]
    [0.237, 0.763]
    """
    z = 1.96
    share, spread = true / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * (share * (1 - share) / count + spread / (4 * count)) ** 0.5 / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _panel(title: str, table: tuple[Bin, ...], ece: float) -> dict[str, Any]:
    """One reliability table, drawn: of each bin its dot, its interval and its bar."""
    most = max(row.count for row in table)
    marks = []
    for row in table:
        low, high = interval(round(row.true * row.count), row.count)
        words = f"predicted {row.said:.0%}, true {row.true:.0%} of {row.count:,}"
        # Bars by the root of the count: most hits of a search are surely wrong.
        bar = _BARS * (row.count / most) ** 0.5
        across = {"x": _SIDE * row.said, "left": _SIDE * row.low}
        down = {"y": row.true, "low": low, "high": high}
        down = {name: _SIDE * (1 - share) for name, share in down.items()}
        marks.append({**across, **down, "bar": bar, "words": words})
    return {"title": title, "ece": f"{ece:.3f}", "marks": marks}


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _cell(text: str) -> str:
    """Text that neither breaks a table nor counts as markup."""
    return re.sub(r"([\\|<>`*_\[\]#])", r"\\\1", " ".join(str(text).split()))
