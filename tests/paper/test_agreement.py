"""What of the paper holds: verdicts, sentences, and what stands below a table's heading."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.paper.test_results import built, published

from cdim.data.manifest import Manifest
from cdim.errors import DataError
from cdim.judge.evaluate import evaluate
from cdim.paper.agreement import WORDS, Agreement, between, merge_agreements, notes, read_agreements
from cdim.paper.plan import LeftOut, Model, Plan, Row
from cdim.paper.results import pool
from cdim.paper.row import write_list

ONE = Agreement(
    *("7", "qmul-shoe", "acc@1", "conv5", "conv3", None),
    *(0.05, 0.01, 0.09, 0.02, 115, (0, 1, 2), (0, 1, 2), 0.0435),
)


@pytest.mark.parametrize(
    ("low", "high", "paper", "verdict"),
    [
        (0.01, 0.09, 0.0435, "holds"),
        (-0.09, -0.01, -0.0435, "holds"),
        (-0.01, 0.09, 0.0435, "open"),
        (0.0, 0.09, 0.0435, "open"),
        (0.01, 0.09, -0.0435, "reversed"),
        (-0.09, -0.01, 0.0435, "reversed"),
        (0.01, 0.09, None, "unpublished"),
    ],
)
def test_a_verdict_follows_from_the_interval_and_the_papers_sign(low, high, paper, verdict):
    middle = (low + high) / 2
    one = dataclasses.replace(ONE, difference=middle, low=low, high=high, published=paper)
    assert one.verdict == verdict
    assert one.sentence.endswith(f"{WORDS[verdict]}.")


def test_a_sentence_has_the_numbers_of_both():
    assert ONE.sentence == (
        "qmul-shoe, acc@1: *conv5* against *conv3* +5.00 points [+1.0, +9.0], p = 0.02, "
        "115 queries, 3 seeds; published +4.35: holds here."
    )
    assert "3 against 1 seeds" in dataclasses.replace(ONE, against_seeds=(0,)).sentence


def report(seed, noise, n=40):
    names = [str(i) for i in range(n)]
    sides = [Manifest.build([f"{s}{i}" for i in names], names) for s in "qg"]
    photos = np.random.default_rng(0).normal(size=(n, 5))
    sketches = photos + noise * np.random.default_rng([9, seed]).normal(size=(n, 5))
    return evaluate(sketches, photos, *sides, dataset="qmul-shoe", seed=seed)


def paper(row, value, **more):
    metrics = {"acc@1": {"value": value, "low": None, "high": None}}
    return published(**{"table": "7", "row": row, "metrics": metrics, **more})


ROWS = [Row("7", name, "m", ("qmul-shoe",)) for name in ("conv5", "conv3")]


def rows_of(*papers):
    return [built(one) for one in papers]


def test_differences_are_the_paired_ones_beside_the_papers():
    sides = [report(s, 0.3) for s in (0, 1)], [report(s, 2.0) for s in (2,)]
    papers = rows_of(paper("conv5", 0.64), paper("conv3", 0.60), paper("conv3", 0.1, table="9"))
    (found,) = between(*ROWS, sides, papers)
    values = [np.mean([r.per_query("acc@1") for r in side]) for side in sides]
    assert found.difference == pytest.approx(values[0] - values[1])
    assert (found.metric, found.queries) == ("acc@1", 40)
    assert (found.seeds, found.against_seeds) == ((0, 1), (2,))
    assert found.published == pytest.approx(0.04)
    assert found.verdict == "holds"


@pytest.mark.parametrize(
    "papers", [[], [paper("conv5", 0.64)], [paper("conv5", 0.6), paper("conv3", 0.5, dataset="x")]]
)
def test_a_difference_the_paper_lacks_is_unpublished(papers):
    sides = [report(0, 0.3)], [report(0, 2.0)]
    (found,) = between(*ROWS, sides, rows_of(*papers))
    assert found.verdict == "unpublished"


def test_two_rows_that_stand_for_the_same_have_no_published_difference():
    same = [dataclasses.replace(row, paper="conv5") for row in ROWS]
    papers = rows_of(paper("conv5", 0.64), paper("conv5", 0.60, backbone="other"))
    (found,) = between(*same, ([report(0, 0.3)], [report(0, 2.0)]), papers)
    assert found.published is None


def test_what_was_written_is_read_and_newer_replaces_older(tmp_path):
    path = tmp_path / "agreement.json"
    assert read_agreements(path) == []
    write_list(path, [ONE])
    assert read_agreements(path) == [ONE]
    newer = dataclasses.replace(ONE, difference=0.06)
    other = dataclasses.replace(ONE, table="3")
    assert merge_agreements([ONE], [newer, other]) == [other, newer]


@pytest.mark.parametrize("text", ["{", "{}", '[{"table": "7"}]'])
def test_a_damaged_file_is_refused(tmp_path, text):
    path = tmp_path / "agreement.json"
    path.write_text(text)
    with pytest.raises(DataError):
        read_agreements(path)


def measured(row, noise=1.0):
    about = {"backbone": "b", "dim": 5, "command": "c", "split": "test", "table": "7", "row": row}
    return pool([report(0, noise)], **about)


def test_the_notes_say_what_agrees_what_waits_and_what_is_left_out():
    plan = Plan(
        {"m": Model((0,), "r.toml"), "n": Model((0,), "r.toml", needs="a GPU")},
        (*ROWS, Row("7", "conv9", "n", ("qmul-shoe",))),
        left_out=(LeftOut("7", ("DSSA",), "not ours"),),
    )
    ours = measured("conv5")
    low, high = (ours.metrics["acc@1"][k] for k in ("low", "high"))
    assert 0 < low < high < 1
    papers = rows_of(paper("conv5", (low + high) / 2), paper("conv3", 0.6))
    lines = notes([ours, *papers], plan, [ONE])["7"]
    text = "\n".join(lines)
    assert text.startswith("**What agrees.** Of 1 differences")
    assert "1 hold here" in text
    assert f"- {ONE.sentence}" in lines
    assert "within it for conv5 (qmul-shoe, acc@1)" in text
    assert "- conv3: `cdim reproduce 7 --row conv3`" in lines
    assert "- conv9 (needs a GPU): `cdim reproduce 7 --row conv9`" in lines
    assert "conv5: `cdim" not in text
    assert "Published only: DSSA (not ours)." in lines


@pytest.mark.parametrize(("value", "word"), [(0.001, "below"), (0.999, "above")])
def test_levels_say_on_which_side_the_paper_is(value, word):
    rows = [measured("conv5"), *rows_of(paper("conv5", value))]
    plan = Plan({"m": Model((0,), "r.toml")}, (ROWS[0],))
    assert f"{word} it for conv5" in "\n".join(notes(rows, plan, [])["7"])
