"""The atlas against naive computation: descriptors, scores, treatments, what parts add."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cdim.bundles.heads import fit, projection
from cdim.errors import ModelError, RecipeError, UsageError
from cdim.learn.atlas import descriptors, grams, shortening
from cdim.learn.atlas.cells import POOLS, Cell, cells_of, why_not
from cdim.learn.atlas.contributions import contribute
from cdim.learn.atlas.scoring import Scorer, make_folds
from cdim.learn.atlas.treatments import NAMES, Treatment, read_treatment
from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.embedder import Embedder
from cdim.learn.networks.fusion import Fusion, fusion_part
from cdim.learn.networks.taps import Tap
from cdim.metrics.distances import distances, unit
from cdim.metrics.ranking import first_ranks

COLOUR = {"channels": 3, "mean": [124.0, 116.0, 104.0], "std": [58.0, 57.0, 57.0]}
NETWORKS = {
    "sketch-a-net": {},
    "resnet10t": {"input": {**COLOUR, "resize": [68, 68], "crop": [64, 64]}},
    "vit_tiny_patch16_224": {"input": {**COLOUR, "resize": [96, 96], "crop": [96, 96]}},
}


def network(recipe, name, **fusion):
    parts = {"model": {"backbone": name}, **NETWORKS[name]}
    torch.manual_seed(1)  # the same weights, whatever is fused
    return Embedder(recipe(**parts, fusion=fusion)).eval()


@pytest.fixture(scope="module")
def shown(products):
    return products(24, categories=("bag", "shoe"))


@pytest.fixture
def measured(recipe, shown, tmp_path):
    """Descriptors and Gram matrices of Sketch-a-Net."""
    embedder = network(recipe, "sketch-a-net")
    found = descriptors.record(embedder, shown, cells_of(embedder.backbone), tmp_path)
    return found, grams.measure(found, tmp_path)


def cell(found, tap, pool):
    return next(c for c in found.cells if (c.tap, c.pool) == (tap, pool))


def test_blocks_stand_in_order_of_depth():
    resnet = Backbone("resnet50", 3, (64, 64))
    assert list(resnet.blocks) == [
        f"layer{stage}.{n}" for stage, count in enumerate((3, 4, 6, 3), 1) for n in range(count)
    ]
    vit = Backbone("vit_tiny_patch16_224", 3, (96, 96))
    assert list(vit.blocks) == [f"blocks.{n}" for n in range(12)]
    assert "stages.2.blocks.0" in Backbone("convnext_atto", 3, (64, 64)).blocks
    own = Backbone("sketch-a-net", 1, (225, 225)).blocks
    assert (own[0], own[-1]) == ("conv1", "fc6")


@pytest.mark.parametrize(
    ("size", "pools"),
    [
        ((14, 14), ["average", "gem", "max", "grid2", "grid3", "grid4", "grid8"]),
        ((8, 8), ["average", "gem", "max", "grid2", "grid3", "grid4", "flatten"]),
        ((12, 6), ["average", "gem", "max", "grid2", "grid3", "grid4"]),
        ((7, 3), ["average", "gem", "max", "grid2", "grid3", "flatten"]),
        ((1, 1), ["flatten"]),
    ],
)
def test_a_map_is_pooled_in_every_way_that_differs(size, pools):
    tap = Tap(2, size)
    assert [pool for pool in POOLS if not why_not(pool, tap)] == pools
    if max(size) > 8:
        assert why_not("flatten", tap) == "beyond the grid"


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_descriptors_are_those_of_the_recipe(recipe, shown, tmp_path, name, mirror):
    some = shown.take(range(5))
    embedder = network(recipe, name, mirror=mirror)
    blocks = embedder.backbone.blocks
    cells = cells_of(embedder.backbone, [blocks[1], blocks[-2]])
    found = descriptors.record(embedder, some, cells, tmp_path)
    layout, final = embedder.backbone.taps, embedder.backbone.final
    for each in cells:
        taps = [] if each.tap == final else [each.tap]
        embedder.fusion = Fusion(
            layout,
            final,
            fusion_part(taps=taps, pool=each.pool, normalise="none", final=not taps),
        )
        wanted = embedder.embed(some)
        assert wanted.shape == (5, each.dim)
        np.testing.assert_allclose(found.whole(each), wanted, rtol=1e-4, atol=1e-5)


def test_rows_are_read_and_multiplied_in_blocks(measured, tmp_path, monkeypatch):
    found, whole = measured
    for each in (cell(found, "conv2", "grid3"), cell(found, "fc7", "flatten")):
        monkeypatch.setattr(descriptors, "BLOCK", 7 * 4 * each.dim)
        assert [rows.stop - rows.start for rows in found.blocks(each)] == [7] * 6 + [6]
        x = found.whole(each).astype(np.float64)
        roots = np.sign(x) * np.sqrt(np.abs(x))
        for got, wanted in (
            (whole.plain(each), x @ x.T),
            (whole.rooted(each), roots @ roots.T),
            (grams._products(found, each)[0], x @ x.T),
            (grams._products(found, each)[1], roots @ roots.T),
        ):
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-5 * np.abs(wanted).max())


def naive(x, fold, manifest, treatment):
    """Treated vectors of all images, as the library's own heads make them."""
    if not treatment.centred:
        return x
    domains = manifest.domain
    if treatment.name == "pairs":
        part = manifest.take(fold.train)
        known = fit.decompose(x[fold.train], part.domain, roots=True)
        known = fit.pair(known, part.role == "query", part.instance)
        most = min(known.axes.shape[1], treatment.dim)
        made = fit.contrast(known, most, treatment.regularisation)
        return projection.apply(made, x, domains)
    mean = {d: x[fold.train][domains[fold.train] == d].mean(0) for d in np.unique(domains)}
    return unit(x - np.stack([mean[d] for d in domains]))


def naive_ranks(x, fold, manifest):
    found = []
    for kind in np.unique(manifest.category):
        rows = fold.held[manifest.category[fold.held] == kind]
        query, gallery = (rows[manifest.role[rows] == r] for r in ("query", "gallery"))
        if len(gallery) < 2:  # nothing wrong to find
            continue
        apart = distances(x[query], x[gallery])
        right = manifest.instance[query, None] == manifest.instance[gallery]
        found.append(1 / first_ranks(apart, right))
    return np.concatenate(found)


FUSIONS = ([("conv4", "grid2")], [("fc7", "flatten")], [("pool2", "average"), ("fc6", "flatten")])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chosen", FUSIONS)
def test_a_score_is_that_of_the_embedder_with_that_fusion(recipe, shown, measured, name, chosen):
    found, products = measured
    treatment = Treatment(name, 0.3, dim=20)
    cells = [cell(found, *each) for each in chosen]
    middle = [c for c in cells if c.tap != "fc7"]
    embedder = network(
        recipe,
        "sketch-a-net",
        taps=[c.tap for c in middle],
        pool=[c.pool for c in middle],
        final=len(middle) < len(cells),
        normalise=treatment.normalise,
    )
    fused = embedder.embed(shown).astype(np.float64)
    folds = make_folds(shown, 0)
    wanted = [naive_ranks(naive(fused, f, shown, treatment), f, shown) for f in folds]
    scorer = Scorer(products, folds, treatment)
    assert scorer.reciprocal_ranks(cells).tolist() == np.concatenate(wanted).tolist()
    # And the vectors that are shortened are those of the recipe.
    np.testing.assert_allclose(shortening.vectors(found, cells, treatment), fused, atol=1e-5)


def test_every_instance_is_held_out_once_and_never_in_its_own_training(shown):
    folds = make_folds(shown, 0)
    held = np.concatenate([f.held for f in folds])
    assert sorted(held.tolist()) == list(range(len(shown)))
    for fold in folds:
        ours, theirs = (set(shown.instance[rows].tolist()) for rows in (fold.held, fold.train))
        assert not ours & theirs
        assert set(shown.role[fold.queries].tolist()) == {"query"}
        assert fold.differences.shape == (len(theirs), len(shown))


@pytest.mark.parametrize("name", NAMES)
def test_margins_of_parts_add_up_to_that_of_the_whole(shown, measured, name):
    found, products = measured
    scorer = Scorer(products, make_folds(shown, 0), Treatment(name))
    cells = [cell(found, "conv2", "grid4"), cell(found, "pool5", "flatten")]
    gains, matches = contribute(scorer, cells, shown)
    first = scorer.reciprocal_ranks(cells) == 1
    margins = np.array([match.margins for match in matches])
    assert margins.shape == (len(first), 2)
    assert ((margins.sum(1) > 0) == first).all()
    assert [match.found for match in matches] == first.tolist()
    rows = np.concatenate([fold.queries for fold in scorer.folds])
    assert [match.query for match in matches] == shown.instance[rows].tolist()
    assert all(match.rival in shown.instance and match.rival != match.query for match in matches)
    for gain, margin, other in zip(gains, margins.T, cells[::-1], strict=True):
        without = scorer.reciprocal_ranks([other]) == 1
        assert (gain.margin, gain.helps) == (margin.mean(), (margin > 0).mean())
        assert gain.only_with == (first & ~without).sum()
        assert gain.only_without == (~first & without).sum()
    if name in ("l2", "centred"):  # by hand, for a query
        fold = scorer.folds[0]
        fused = shortening.vectors(found, cells, scorer.treatment).astype(np.float64)
        query = fold.queries[0]
        rival = np.flatnonzero((shown.instance == matches[0].rival) & (shown.role != "query"))[0]
        if name == "centred":
            fused = fused - (fold.means @ fused)[fold.domains]
        match = np.flatnonzero((shown.instance == shown.instance[query]) & (shown.role != "query"))
        x, y, z = (fused[i] / np.linalg.norm(fused[i]) for i in (query, match[0], rival))
        if name == "l2":  # lengths are those of the recipe's vectors: each part has length one
            x, y, z = (fused[i] for i in (query, match[0], rival))
        whole = ((x - z) @ (x - z) - (x - y) @ (x - y)) / 2
        assert margins[0].sum() == pytest.approx(whole, abs=1e-5)


def test_a_layer_that_says_nothing_comes_last_not_first(shown, tmp_path):
    silent = Cell("dead", "average", 4)
    (tmp_path / "0000.descriptors").write_bytes(np.zeros((len(shown), 4), "<f4").tobytes())
    found = descriptors.Descriptors(tmp_path, (silent,), len(shown))
    products = grams.measure(found, tmp_path)
    for name in NAMES:
        ranks = Scorer(products, make_folds(shown, 0), Treatment(name)).reciprocal_ranks([silent])
        assert ranks.max() < 1


def test_pruning_keeps_what_agrees_within_pairs(shown):
    rng = np.random.default_rng(0)
    names = np.unique(shown.instance, return_inverse=True)[1]
    told = rng.standard_normal((names.max() + 1, 6))[names]  # the same for both images of a pair
    noise = rng.standard_normal((len(shown), 30))
    fused = np.concatenate([noise, told], 1).astype(np.float32)
    folds = make_folds(shown, 0)
    forms = shortening.try_forms(
        fused, shown, folds, np.repeat(np.arange(12), 3), Treatment("l2", 1.0)
    )
    by = {(how, dim): ranks for how, dim, ranks in forms}
    assert forms[0][0] == "whole"
    kept = by["12.5 % of the filters", 6]  # 2 of 12: those that are told
    assert (kept == 1).all()
    assert by["whole", 36].mean() < 1
    assert by["50 % of the filters", 18].mean() >= by["whole", 36].mean()
    whole, *shorter = shortening.shorten(forms)
    assert (whole.cost.difference, whole.against) == (0, "whole, 36")
    longest = {form.how: form for form in reversed([whole, *shorter])}
    for form in shorter:
        long = longest[form.how] if form.how.startswith("projected") else whole
        assert form.against == f"{long.how}, {long.dim}"
        assert form.cost.difference == pytest.approx(
            form.accuracy.acc_1.value - long.accuracy.acc_1.value
        )


def test_filters_of_maps_of_different_size_are_pruned_together(shown, measured):
    found, _ = measured
    cells = [cell(found, "conv4", "grid2"), cell(found, "fc7", "flatten")]
    fused = shortening.vectors(found, cells, Treatment("l2"))
    filters = shortening.filters_of(cells, [256, 256])
    folds = make_folds(shown, 0)
    forms = shortening.try_forms(fused, shown, folds, filters, Treatment("l2"))
    queries = sum(len(fold.queries) for fold in folds)
    assert all(len(ranks) == queries for _, _, ranks in forms)
    assert len({(how, dim) for how, dim, _ in forms}) == len(forms)


def test_projections_are_those_of_a_head_that_has_not_seen_the_fold(shown, measured):
    found, _ = measured
    folds, treatment = make_folds(shown, 0), Treatment("pairs", 0.3)
    cells = [cell(found, "conv4", "grid2"), cell(found, "fc7", "flatten")]
    fused = shortening.vectors(found, cells, treatment)
    forms = shortening.try_forms(
        fused, shown, folds, shortening.filters_of(cells, [256, 256]), treatment
    )
    most = min(len(f.train) for f in folds) - 2
    _, dim, mine = next(form for form in forms if form[0] == "projected, pairs:0.3")
    assert dim == most
    wanted = []
    for fold in folds:
        part = shown.take(fold.train)
        known = fit.decompose(fused[fold.train], part.domain, roots=True)
        known = fit.pair(known, part.role == "query", part.instance)
        made = fit.contrast(known, most, 0.3)
        wanted.append(naive_ranks(projection.apply(made, fused, shown.domain), fold, shown))
    assert mine.tolist() == np.concatenate(wanted).tolist()


def test_filters_are_numbered_through_all_parts():
    cells = [Cell("a", "grid2", 8), Cell("b", "average", 3)]
    assert shortening.filters_of(cells, [2, 3]).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4]


def test_wrong_taps_and_treatments_are_named():
    backbone = Backbone("sketch-a-net", 1, (81, 81))
    with pytest.raises(RecipeError, match="did you mean 'conv4'"):
        cells_of(backbone, ["conv_4"])
    with pytest.raises(UsageError, match="did you mean 'centred'"):
        read_treatment("centered")
    with pytest.raises(UsageError, match="above 0"):
        read_treatment("pairs", 0.0)


def test_descriptors_that_are_not_finite_are_refused(recipe, shown, tmp_path):
    embedder = network(recipe, "sketch-a-net")
    with torch.no_grad():
        embedder.backbone.network.fc6.bias.fill_(float("nan"))
    with pytest.raises(ModelError, match=r"fc6.*finite"):
        descriptors.record(embedder, shown.take(range(2)), cells_of(embedder.backbone), tmp_path)
