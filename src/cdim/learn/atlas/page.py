"""An atlas as a picture (SVG) and as one self-contained page (HTML)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cdim.judge.templates import render
from cdim.learn.atlas.cells import POOLS
from cdim.learn.atlas.contributions import Match
from cdim.learn.atlas.report import Atlas
from cdim.learn.atlas.selection import Selected

WIDTH, HEIGHT = 58, 42
"""Of a cell of the heat map."""
SHOWN = 15
"""Matches of each kind on the page."""
_COLOURS = ((247, 251, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107))
"""From the worst cell of a picture to its best (ColorBrewer's Blues)."""


def picture(atlas: Atlas) -> str:
    """The heat map of the chosen treatment as SVG."""
    heat = _heat(atlas, atlas.choice)
    return _render("heat.svg.j2", heat=heat, width=WIDTH, height=HEIGHT)


def page(atlas: Atlas) -> str:
    """Everything, as HTML that needs no other file."""
    others = [each for each in atlas.selections if each.treatment.name != atlas.chosen]
    found = [match for match in atlas.matches if match.found]
    lost = [match for match in atlas.matches if not match.found]
    # What the first part alone gets wrong, and by how much the others make up for it.
    saved = sorted((m for m in found if m.margins[0] < 0), key=lambda m: m.margins[0])
    spoilt = sorted((m for m in lost if m.margins[0] > 0), key=lambda m: -m.margins[0])
    return _render(
        "atlas.html.j2",
        atlas=atlas,
        choice=atlas.choice,
        heat=_heat(atlas, atlas.choice),
        others=[(each, _heat(atlas, each)) for each in others],
        saved=_rows(saved[:SHOWN]),
        spoilt=_rows(spoilt[:SHOWN]),
        counts=(len(saved), len(spoilt), len(found), len(lost)),
        width=WIDTH,
        height=HEIGHT,
    )


def _render(template: str, **values: Any) -> str:
    filters = {"percent": _percent, "interval": _interval, "count": "{:,}".format}
    return render("cdim.learn.atlas", template, filters, **values)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(found: Any) -> str:
    return f"[{_percent(found.low)}, {_percent(found.high)}]"


def _heat(atlas: Atlas, shown: Selected) -> dict[str, Any]:
    """One heat map, ready to draw."""
    name = shown.treatment.name
    columns = [layer.tap for layer in atlas.layers]
    values = [each.scores[name].acc_1.value for each in atlas.cells]
    low, high = min(values), max(values)
    cells = []
    for each in atlas.cells:
        score = each.scores[name]
        share = (score.acc_1.value - low) / (high - low) if high > low else 1.0
        cells.append(
            {
                "x": WIDTH * columns.index(each.cell.tap),
                "y": HEIGHT * POOLS.index(each.cell.pool),
                "fill": _colour(share),
                "ink": "#ffffff" if share > 0.55 else "#1d1f21",
                "value": _percent(score.acc_1.value),
                "interval": f"{100 * score.acc_1.low:.0f}-{100 * score.acc_1.high:.0f}",
                "words": f"{each.cell}: {each.cell.dim:,} dimensions, acc@1 "
                f"{_percent(score.acc_1.value)} % {_interval(score.acc_1)}, MRR {score.mrr:.3f}",
                "order": shown.cells.index(each.cell) + 1 if each.cell in shown.cells else None,
            }
        )
    return {
        "title": f"{atlas.backbone}: acc@1 in % on {atlas.queries:,} held-out queries, "
        f"{shown.words}",
        "columns": [
            f"{layer.tap} {layer.size[0]}×{layer.size[1]}×{layer.channels}"
            for layer in atlas.layers
        ],
        "rows": POOLS,
        "cells": cells,
        "absent": [
            (WIDTH * number, HEIGHT * POOLS.index(pool), f"{layer.tap} ({pool}): {why}")
            for number, layer in enumerate(atlas.layers)
            for pool, why in layer.absent.items()
        ],
        "low": _percent(low),
        "high": _percent(high),
        "colours": [_colour(step / 20) for step in range(21)],
    }


def _colour(share: float) -> str:
    stops = np.linspace(0, 1, len(_COLOURS))
    mixed = (np.interp(share, stops, levels) for levels in zip(*_COLOURS, strict=True))
    return "#" + "".join(f"{round(float(level)):02x}" for level in mixed)


def _rows(shown: Sequence[Match]) -> list[dict[str, Any]]:
    """Matches, each with its parts' margins as bars: per cent of the widest on the page."""
    widest = max((abs(m) for match in shown for m in match.margins), default=1.0) or 1.0
    return [
        {
            "match": match,
            "bars": [
                {"left": 50 + min(0.0, 50 * m / widest), "width": 50 * abs(m) / widest, "margin": m}
                for m in match.margins
            ],
            "margin": sum(match.margins),
        }
        for match in shown
    ]
