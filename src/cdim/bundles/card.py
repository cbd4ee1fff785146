"""The model card of a bundle: README.md, and reliability.svg where it is calibrated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdim.bundles.bundle import CARD, Bundle
from cdim.judge.templates import render
from cdim.metrics.calibration.cross_fit import Reliability
from cdim.metrics.calibration.probability import threshold
from cdim.metrics.calibration.reliability import Bin

DIAGRAM = "reliability.svg"

_SIDE = 300.0  # of a panel of the diagram, in its own units
_BARS = 44.0  # height of the longest bar below it


@dataclass(frozen=True)
class _Mark:
    """One bin, drawn: where its dot is, its interval and its bar."""

    x: float
    y: float
    low: float
    high: float
    left: float
    bar: float
    words: str


@dataclass(frozen=True)
class _Panel:
    """One reliability table, drawn."""

    title: str
    ece: str
    marks: list[_Mark]


def write(bundle: Bundle, folder: Path, reliability: Reliability | None = None) -> Path:
    """Writes the card.

    Args:
        bundle: the bundle.
        folder: where; an older card there is replaced.
        reliability: how far its probabilities can be trusted, from searches they were not fitted
            to. Without it there is no diagram.

    Returns:
        The card's path.
    """
    filters: dict[str, Callable[..., str]] = {
        "percent": _percent,
        "cell": _cell,
        "count": "{:,}".format,
    }
    if reliability is not None:
        panels = [
            _panel("this hit is the same instance", reliability.hits, reliability.ece_hits),
            _panel("it is in this gallery", reliability.present, reliability.ece_present),
        ]
        picture = render(
            "cdim.bundles",
            "reliability.svg.j2",
            filters,
            panels=panels,
            side=_SIDE,
            bars=_BARS,
            searches=reliability.searches,
        )
        (folder / DIAGRAM).write_text(picture, encoding="utf-8")
    text = render(
        "cdim.bundles",
        "card.md.j2",
        filters,
        bundle=bundle,
        reliability=reliability,
        thresholds=_thresholds(bundle, reliability),
        diagram=DIAGRAM,
        edged=[name for name, taken in bundle.domains.items() if taken == "edge" != name],
    )
    card = folder / CARD
    card.write_text(text, encoding="utf-8")
    return card


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


def _thresholds(bundle: Bundle, reliability: Reliability | None) -> list[float]:
    """The bundle's own for each false-match rate that was tried."""
    if bundle.calibration is None or reliability is None:
        return []
    return [threshold(bundle.calibration, tried.rate) for tried in reliability.accepted]


def _panel(title: str, table: tuple[Bin, ...], ece: float) -> _Panel:
    most = max(row.count for row in table)
    marks = []
    for row in table:
        low, high = interval(round(row.true * row.count), row.count)
        words = f"predicted {row.said:.0%}, true {row.true:.0%} of {row.count:,}"
        # Bars by the root of the count: most hits of a search are surely wrong.
        bar = _BARS * (row.count / most) ** 0.5
        y, below, above = (_SIDE * (1 - share) for share in (row.true, low, high))
        marks.append(_Mark(_SIDE * row.said, y, below, above, _SIDE * row.low, bar, words))
    return _Panel(title, f"{ece:.3f}", marks)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _cell(text: str) -> str:
    """Text that neither breaks a table nor counts as markup."""
    return re.sub(r"([\\|<>`*_\[\]#])", r"\\\1", " ".join(str(text).split()))
