"""The forward selection: it finds what helps, stops at chance, keeps to its budget."""

from __future__ import annotations

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.errors import UsageError
from cdim.learn.atlas import grams
from cdim.learn.atlas.cells import Cell
from cdim.learn.atlas.descriptors import Descriptors
from cdim.learn.atlas.scoring import Scorer, make_folds
from cdim.learn.atlas.selection import best, check_budget, explore, forward
from cdim.learn.atlas.treatments import Treatment

INSTANCES = 60


@pytest.fixture(scope="module")
def pairs():
    """A query and a gallery image of each instance; the pixels do not matter."""
    names = np.repeat([f"{number:03}" for number in range(INSTANCES)], 2)
    return Manifest.build(
        [f"{number}.png" for number in range(2 * INSTANCES)],
        names,
        domain=["sketch", "photo"] * INSTANCES,
        role=["query", "gallery"] * INSTANCES,
    )


def vectors(seed, dim, told):
    """Vectors (n, dim): shared within pairs to the share `told`, else random."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.standard_normal((INSTANCES, dim)), 2, axis=0)
    return told * shared + (1 - told) * rng.standard_normal((2 * INSTANCES, dim))


def scorer(pairs, folder, parts, treatment="l2"):
    """A scorer of made-up layers: {name: vectors}."""
    cells = tuple(Cell(name, "average", x.shape[1]) for name, x in parts.items())
    for number, x in enumerate(parts.values()):
        (folder / f"{number:04}.descriptors").write_bytes(x.astype("<f4").tobytes())
    products = grams.measure(Descriptors(folder, cells, len(pairs)), folder)
    return Scorer(products, make_folds(pairs, 0), Treatment(treatment)), cells


def names(steps):
    return [step.cell.tap for step in steps if step.taken]


EVERYTHING = np.full(INSTANCES, True)


def test_chance_adds_nothing(pairs, tmp_path):
    added = 0
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        parts = {f"noise.{n}": vectors((seed, n), 8, 0.0) for n in range(12)}
        parts["told"] = vectors((seed, 99), 8, 0.4)
        steps = forward(*scorer(pairs, folder, parts), 1000, EVERYTHING)
        assert names(steps)[0] == "told"
        assert not steps[-1].taken
        assert steps[-1].p > 0.05
        added += len(names(steps)) > 1
    # At a level of 5 % one of 20 is expected; without a correction for 12 candidates it is half.
    assert added <= 3


@pytest.mark.parametrize("treatment", ["l2", "centred", "pairs"])
def test_what_helps_joins_and_noise_does_not(pairs, tmp_path, treatment):
    parts = {
        "first": vectors(1, 12, 0.42),
        "noise": vectors(2, 12, 0.0),
        "second": vectors(3, 12, 0.4),
        "again": vectors(1, 12, 0.42),  # the same as the first
    }
    judge, cells = scorer(pairs, tmp_path, parts, treatment)
    found = explore(judge, cells, 1000)
    chosen = found.selected
    assert set(names(chosen.steps)) == {"first", "second"}
    alone = found.single.mean(axis=1)
    assert found.chosen.mean() > alone.max()
    assert chosen.steps[1].gain == pytest.approx(found.chosen.mean() - alone.max())
    assert [cell.tap for cell in chosen.cells] == names(chosen.steps)
    assert chosen.on_chosen.mrr == found.chosen.mean()
    held = np.concatenate([values for _, values in found.without])
    assert chosen.held_out.acc_1.value == (held == 1).mean()
    # Every choice made without a fold is judged on that fold, and only there.
    assert sum(len(values) for _, values in found.without) == INSTANCES
    for fold, fusion, (inner, values) in zip(
        judge.folds, chosen.fusions, found.without, strict=True
    ):
        whole = judge.reciprocal_ranks(fusion)
        start = sum(len(f.queries) for f in judge.folds[: judge.folds.index(fold)])
        own = slice(start, start + len(fold.queries))
        assert whole[own].tolist() == values.tolist()
        assert np.delete(whole, np.arange(start, own.stop)).mean() == pytest.approx(inner)


def test_the_budget_holds_and_every_tap_is_taken_once(pairs, tmp_path):
    parts = {
        "wide": vectors(1, 40, 0.45),
        "narrow": vectors(2, 10, 0.4),
        "more": vectors(3, 30, 0.4),
    }
    judge, cells = scorer(pairs, tmp_path, parts)
    for budget in (10, 39, 45, 75, 200):
        steps = forward(judge, cells, budget, EVERYTHING, level=1.0)
        assert sum(step.cell.dim for step in steps if step.taken) <= budget
        assert len(set(names(steps))) == len(names(steps))
    assert names(forward(judge, cells, 45, EVERYTHING, level=1.0))[0] == "wide"
    check_budget(cells, 10)
    with pytest.raises(UsageError, match=r"budget of 9 .*narrow.*10 dimensions"):
        check_budget(cells, 9)


def test_the_best_treatment_is_chosen_for_each_fold_by_the_others(pairs, tmp_path):
    parts = {"a": vectors(1, 8, 0.4), "b": vectors(2, 8, 0.4)}
    judge, cells = scorer(pairs, tmp_path, parts)
    plain = explore(judge, cells, 100)
    centred = explore(Scorer(judge.grams, judge.folds, Treatment("centred")), cells, 100)
    chosen, honest = best([plain, centred])
    assert chosen.chosen.mean() == max(plain.chosen.mean(), centred.chosen.mean())
    place = 0
    for number, fold in enumerate(judge.folds):
        tried = [each.without[number] for each in (plain, centred)]
        values = max(tried, key=lambda found: found[0])[1]
        assert honest[place : place + len(fold.queries)].tolist() == values.tolist()
        place += len(fold.queries)
