"""The fusion module against its definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdim.bundles.heads import projection
from cdim.errors import RecipeError
from cdim.learn.networks.fusion import GRIDS, Fusion, GeM, fusion_part
from cdim.learn.networks.taps import Tap

# Sides that 1, 2, 3, 4 and 8 divide.
LAYOUT = {
    "low": Tap(2, (24, 24)),
    "mid": Tap(3, (24, 48)),
    "vector": Tap(5, (1, 1)),
    "last": Tap(4, (1, 1)),
}
POOLS = ("flatten", "average", "gem", "max", "grid2", "grid3", "grid4", "grid8")


def outputs(batch=3, seed=0):
    torch.manual_seed(seed)
    return {
        name: torch.randn(batch, tap.channels, *(tap.size if tap.size != (1, 1) else ()))
        for name, tap in LAYOUT.items()
    }


def dims(pool, tap):
    cells = {"flatten": tap.size[0] * tap.size[1], "gem": 1, "max": 1}
    return tap.channels * (cells[pool] if pool in cells else GRIDS[pool] ** 2)


def fusion_of(taps=(), pool="flatten", project=0, normalise="l2", final=True, last="last"):
    how = {"taps": list(taps), "pool": pool, "project": project, "normalise": normalise}
    return Fusion(LAYOUT, last, fusion_part(**how, final=final))


def split(fusion, vectors):
    return vectors.split(fusion.parts, 1)


chosen = st.lists(
    st.tuples(st.sampled_from(["low", "mid", "vector"]), st.sampled_from(POOLS)),
    max_size=3,
    unique_by=lambda pair: pair[0],
)


@settings(deadline=None, max_examples=30)
@given(chosen, st.sampled_from(["l2", "none"]), st.integers(0, 99))
def test_dimensions_add_up_and_the_final_feature_is_last(pairs, normalise, seed):
    taps, pools = [t for t, _ in pairs], [p for _, p in pairs]
    fusion = fusion_of(taps, pools, normalise=normalise)
    assert fusion.parts == (*(dims(p, LAYOUT[t]) for t, p in pairs), 4)
    given = outputs(seed=seed)
    fused = fusion(given)
    assert fused.shape == (3, fusion.dim)
    assert fusion.dim == sum(fusion.parts)
    assert fused.dtype == torch.float32
    last = given["last"]
    if normalise == "l2":
        last = torch.nn.functional.normalize(last)
    torch.testing.assert_close(split(fusion, fused)[-1], last)


@settings(deadline=None, max_examples=30)
@given(chosen, st.integers(0, 8), st.integers(0, 99))
def test_every_part_has_length_one_and_squared_distances_add_up(pairs, project, seed):
    project = project if pairs else 0
    fusion = fusion_of([t for t, _ in pairs], [p for _, p in pairs], project)
    with torch.no_grad():
        left, right = fusion(outputs(seed=seed)), fusion(outputs(seed=seed + 1000))
    both = list(zip(split(fusion, left), split(fusion, right), strict=True))
    for part, _ in both:
        torch.testing.assert_close(part.norm(dim=1), torch.ones(3))
    whole = ((left - right) ** 2).sum(1)
    torch.testing.assert_close(whole, sum(((a - b) ** 2).sum(1) for a, b in both))


@settings(deadline=None, max_examples=30)
@given(chosen, st.permutations(range(3)))
def test_an_image_is_embedded_whatever_else_is_in_its_batch(pairs, order):
    fusion = fusion_of([t for t, _ in pairs], [p for _, p in pairs])
    given = outputs()
    turned = fusion({k: v[list(order)] for k, v in given.items()})
    torch.testing.assert_close(turned, fusion(given)[list(order)])


def test_average_is_a_grid_of_one_cell():
    assert GRIDS["average"] == 1
    given = outputs()
    fused = fusion_of(["mid"], "average", normalise="none")(given)
    torch.testing.assert_close(fused[:, :3], given["mid"].mean((2, 3)))


@pytest.mark.parametrize("pool", sorted(GRIDS))
def test_a_grid_is_the_mean_of_each_cell(pool):
    cells, given = GRIDS[pool], outputs()
    fused = fusion_of(["mid"], pool, normalise="none")(given)
    maps = given["mid"].numpy()
    n, channels, height, width = maps.shape
    rows, columns = height // cells, width // cells
    wanted = np.empty((n, channels, cells, cells), dtype=np.float32)
    for i in range(n):
        for c in range(channels):
            for y in range(cells):
                for x in range(cells):
                    total = 0.0
                    for a in range(rows):
                        for b in range(columns):
                            total += float(maps[i, c, y * rows + a, x * columns + b])
                    wanted[i, c, y, x] = total / (rows * columns)
    np.testing.assert_allclose(fused[:, :-4].numpy(), wanted.reshape(n, -1), atol=1e-5)


def test_the_maximum_is_over_positions():
    given = outputs()
    fused = fusion_of(["mid"], "max", normalise="none")(given)
    assert torch.equal(fused[:, :3], given["mid"].flatten(2).max(2).values)


def test_roots_are_those_of_the_closed_form_heads():
    given = outputs()
    fusion = fusion_of(["low"], "average", normalise="root")
    plain = fusion_of(["low"], "average", normalise="none")
    for part, raw in zip(split(fusion, fusion(given)), split(plain, plain(given)), strict=True):
        np.testing.assert_allclose(part, projection.rooted(raw), atol=1e-6)


def test_the_final_feature_may_stay_out():
    given = outputs()
    fused = fusion_of(["low", "mid"], "average", final=False)
    assert fused.parts == (2, 3)
    assert fused.dim == 5
    whole = fusion_of(["low", "mid"], "average")
    assert torch.equal(fused(given), whole(given)[:, :5])
    with pytest.raises(RecipeError, match=r"final = false without taps"):
        fusion_of(final=False)


def test_flatten_is_the_map_value_by_value():
    given = outputs()
    fused = fusion_of(["mid"], "flatten", normalise="none")(given)
    assert torch.equal(fused, torch.cat([given["mid"].reshape(3, -1), given["last"]], 1))


def gem(exponent):
    pool = GeM()
    with torch.no_grad():
        pool.exponent.fill_(exponent)
    return pool


def test_generalised_mean_goes_from_the_average_to_the_maximum():
    x = torch.rand(3, 4, 5, 6) + 0.5
    with torch.no_grad():
        torch.testing.assert_close(gem(1.0)(x), x.mean((2, 3)))
        means = [gem(p)(x) for p in (1.0, 2.0, 4.0, 8.0, 150.0)]
    for smaller, larger in pairwise(means):
        assert (smaller <= larger + 1e-6).all()
    torch.testing.assert_close(means[-1], x.amax((2, 3)), rtol=0.03, atol=0)


def test_generalised_mean_learns_its_exponent_and_survives_zeros():
    fusion = fusion_of(["low"], "gem")
    given = {**outputs(), "low": torch.zeros(3, 2, 24, 24, requires_grad=True)}
    fusion(given)[:, 0].sum().backward()
    assert torch.isfinite(given["low"].grad).all()
    assert torch.isfinite(fusion.pools[0].exponent.grad)


def test_without_taps_it_is_vanilla():
    given = outputs()
    assert torch.equal(fusion_of(normalise="none")(given), given["last"])
    unit = fusion_of()
    torch.testing.assert_close(unit(given), torch.nn.functional.normalize(given["last"]))
    assert not list(unit.parameters())


def test_a_final_map_is_averaged_over_positions():
    given = outputs()
    fused = fusion_of(last="mid", normalise="none")(given)
    torch.testing.assert_close(fused, given["mid"].mean((2, 3)))


def test_a_projection_is_one_linear_layer_over_all_taps_joined():
    given = outputs()
    fusion = fusion_of(["low", "mid"], ["average", "grid2"], 7, "none")
    assert fusion.parts == (7, 4)
    plain = fusion_of(["low", "mid"], ["average", "grid2"], 0, "none")
    joined = plain(given)[:, :-4]
    wanted = joined @ fusion.project.weight.T + fusion.project.bias
    torch.testing.assert_close(fusion(given), torch.cat([wanted, given["last"]], 1))


def test_the_order_of_taps_is_the_order_of_parts():
    given = outputs()
    one = fusion_of(["low", "mid"], ["average", "grid2"])(given)
    other = fusion_of(["mid", "low"], ["grid2", "average"])(given)
    assert torch.equal(torch.cat([other[:, 12:14], other[:, :12], other[:, 14:]], 1), one)


def test_a_part_of_zeros_stays_zero_with_finite_gradients():
    given = {k: torch.zeros_like(v, requires_grad=True) for k, v in outputs().items()}
    fused = fusion_of(["mid"])(given)
    fused.sum().backward()
    assert (fused == 0).all()
    assert torch.isfinite(given["mid"].grad).all()


def test_half_precision_maps_leave_as_float32():
    given = {k: v.bfloat16() for k, v in outputs().items()}
    fusion = fusion_of(["low", "mid"], ["gem", "flatten"])
    assert fusion(given).dtype == torch.float32


def test_an_unknown_tap_names_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'mid'"):
        fusion_of(["midd"])


def test_a_projection_needs_taps():
    with pytest.raises(RecipeError, match=r"project = 5 without taps"):
        fusion_of(project=5)
