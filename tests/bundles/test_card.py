"""The card: what it says, that it renders, and that nothing in a bundle can break it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from cdim.bundles import card
from cdim.bundles.bundle import Bundle, Measured, TrainingSet
from cdim.data.preprocess import Preprocess
from cdim.metrics.calibration.cross_fit import Accepted, Reliability
from cdim.metrics.calibration.probability import Calibration, threshold
from cdim.metrics.calibration.reliability import Bin

FIT = Calibration(
    3.0, -0.5, 1.0, 2.0, 4.0, 1.5, 2.0, 0.2, -0.1, 1.3, tuple(np.arange(1, 100) / 100)
)
TABLE = (Bin(0.0, 0.1, 900, 0.04, 0.05), Bin(0.5, 0.6, 90, 0.55, 0.5), Bin(0.9, 1.0, 1, 0.97, 1.0))
RELIABLE = Reliability(
    TABLE,
    TABLE[:2],
    TABLE[1:],
    0.012,
    0.034,
    0.056,
    0.789,
    (Accepted(0.01, 0.013, 0.21), Accepted(0.1, 0.088, 0.43)),
    1234,
)
PLAIN = Bundle(
    "vanilla",
    Preprocess(),
    256,
    256,
    "sketch-a-net",
    (),
    "sketch",
    "photo",
    {"sketch": "sketch"},
    (),
)
FULL = Bundle(
    name="strong",
    preprocess=Preprocess(channels=3, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),
    features=12_800,
    dim=512,
    backbone="sketch-a-net",
    taps=("pool5", "fc6"),
    query="sketch",
    gallery="photo",
    domains={"sketch": "sketch", "edge": "edge", "photo": "edge"},
    training=(TrainingSet("qmul-shoe", "academic | only"), TrainingSet("quickdraw", "CC BY 4.0")),
    length=2**0.5,
    domain_input=("sketch", "edge"),
    metrics=(
        Measured("validation, 5 folds", "acc@1", 0.4917, 0.4584, 0.5249, 1904),
        Measured("qmul-shoe test", "acc@1", 0.478, 0.39, 0.56, 115, "as trained, fp32"),
    ),
    calibration=FIT,
    precision="int8",
    projection="12800 to 512 dimensions",
    seed=7,
    fingerprint="ab" * 32,
)


def written(folder: Path, bundle: Bundle, reliability: Reliability | None = None) -> str:
    path = card.write(bundle, folder, reliability)
    assert path == folder / "README.md"
    return path.read_text("utf-8")


def tables(text: str) -> list[list[list[str]]]:
    """Every table of the card, as rows of cells."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_the_card_says_what_the_bundle_is(tmp_path: Path) -> None:
    text = written(tmp_path, FULL, RELIABLE)
    for said in (
        "# strong\n",
        "For a sketch it ranks",
        "pool5, fc6",
        "int8",
        "12,800",
        "float32 (n, 512)",
        "12800 to 512 dimensions",
        "embeddings of length 1.414",
        "3 channels; stretched to 256 x 256 pixels, the middle 225 x 225 taken",
        "mean 1.0, 2.0, 3.0 subtracted, divided by 4.0, 5.0, 6.0",
        "photo images become edge maps",
        "the domain is an input of the graph",
        "| seed | 7 |",
        FULL.fingerprint,
        "- quickdraw: CC BY 4.0",
    ):
        assert said in text
    assert "edge, photo images" not in text
    assert "middle maps pool5, fc6 joined with its last feature" in text
    alone = written(tmp_path, replace(FULL, final=False))
    assert "middle maps pool5, fc6 without its last feature" in alone


def test_the_numbers_are_in_the_tables(tmp_path: Path) -> None:
    what, metrics, errors, accepted = tables(written(tmp_path, FULL, RELIABLE))
    assert ["validation, 5 folds", "acc@1", "49.2 %", "45.8 % to 52.5 %", "1,904", ""] in metrics
    assert metrics[-1][-1] == "as trained, fp32"
    assert [row[1] for row in errors[2:]] == ["0.012", "0.034", "0.056", "0.789"]
    limits = [f"{threshold(FIT, rate):.3f}" for rate in (0.01, 0.1)]
    assert accepted[2:] == [
        ["1 %", limits[0], "1.3 %", "21.0 %"],
        ["10 %", limits[1], "8.8 %", "43.0 %"],
    ]
    for table in (what, metrics, errors, accepted):
        assert len({len(row) for row in table}) == 1


def test_what_is_not_known_is_said_and_not_made_up(tmp_path: Path) -> None:
    text = written(tmp_path, PLAIN)
    for said in (
        "Nothing is recorded.",
        "Nothing was measured.",
        "The bundle gives no probabilities",
    ):
        assert said in text
    for absent in ("reliability", "seed", "| head |", "edge maps", "of length", "AUROC"):
        assert absent not in text
    assert "its last feature alone" in text
    assert "None" not in text
    assert list(tmp_path.iterdir()) == [tmp_path / "README.md"]
    assert "no probabilities" not in written(tmp_path, replace(PLAIN, calibration=FIT))


def test_words_of_a_bundle_cannot_break_a_table_or_become_markup(tmp_path: Path) -> None:
    evil = "a|b\n| c <img src=x> [d](http://e) `f`"
    text = written(
        tmp_path,
        replace(
            FULL,
            name=evil,
            training=(TrainingSet(evil, evil),),
            metrics=(Measured(evil, evil, 0.5, 0.4, 0.6, 10, evil),),
        ),
        RELIABLE,
    )
    assert "<img" not in text.replace("\\<", "")
    assert "](http" not in text.replace("\\]", "")
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))


def test_the_card_leads_to_its_diagram_and_to_verbs_that_exist(tmp_path: Path) -> None:
    from cdim.cli import cdim

    text = written(tmp_path, FULL, RELIABLE)
    (picture,) = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert (tmp_path / picture).is_file()
    verbs = re.findall(r"^cdim (\w+)", text, re.MULTILINE)
    assert verbs == ["index", "search", "serve"]
    assert set(verbs) <= set(cdim.list_commands(click.Context(cdim)))


def numbers(node: Any, *names: str) -> list[float]:
    return [float(node.get(name)) for name in names]


def test_the_diagram_shows_every_bin_where_it_is(tmp_path: Path) -> None:
    written(tmp_path, FULL, RELIABLE)
    root = ET.parse(tmp_path / "reliability.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    panels = [g for g in root.findall(f"{name}g") if g.get("transform")]
    assert len(panels) == 2
    for panel, table in zip(panels, (RELIABLE.hits, RELIABLE.present), strict=True):
        marks = panel.findall(f"{name}g")
        assert len(marks) == len(table)
        heights = []
        for mark, row in zip(marks, table, strict=True):
            (dot,) = mark.findall(f"{name}circle")
            assert numbers(dot, "cx", "cy") == pytest.approx(
                [300 * row.said, 300 * (1 - row.true)], abs=0.06
            )
            (bar,) = mark.findall(f"{name}rect")
            assert float(bar.get("x", "")) == pytest.approx(300 * row.low + 1, abs=0.06)
            heights.append(float(bar.get("height", "")))
            (reach,) = mark.findall(f"{name}path")
            ends = [float(y) for y in re.findall(r" ([\d.]+)V([\d.]+)", reach.get("d", ""))[0]]
            assert ends[0] >= float(dot.get("cy", "")) - 0.1 >= ends[1] - 0.2
            assert f"of {row.count:,}" in (mark.findtext(f"{name}title") or "")
        counts = [row.count for row in table]
        assert np.argsort(heights).tolist() == np.argsort(counts).tolist()
    source = (tmp_path / "reliability.svg").read_text("utf-8")
    assert "prefers-color-scheme: dark" in source
    assert "1,234 held-out searches" in source
    assert re.findall(r"https?://[^\"]+", source) == ["http://www.w3.org/2000/svg"]


def test_intervals_hold_the_share() -> None:
    for true, count in ((0, 1), (1, 1), (3, 7), (500, 1000), (0, 10_000)):
        low, high = card.interval(true, count)
        assert 0 <= low <= true / count <= high <= 1
        assert low < high
    assert np.diff(card.interval(500, 1000)) == pytest.approx(2 * 1.96 * 0.5 / 1000**0.5, 0.01)
