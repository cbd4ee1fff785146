"""What the samplers draw."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cdim.data.manifest import Manifest
from cdim.data.preprocess import Preprocess
from cdim.data.triplets import Counts, Triplets
from cdim.errors import DataError, RecipeError
from cdim.learn.training import batches
from cdim.learn.training.batches import ImageCache, Targets, make_sampler

NO_COUNTS = Counts(0, 0, 0, 0, 0)


def answers(*rows):
    anchor, nearer, farther = np.array(rows, dtype=np.str_).T
    return Triplets(anchor, nearer, farther, NO_COUNTS)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def manifest(products):
    return products(12, ("bag", "shoe"))


@pytest.fixture
def human(manifest):
    """Answers in which a sketch's own photo is not the nearer one, so that they stand out."""
    shoes = sorted({n for n in manifest.instance.tolist() if n.startswith("shoe")})
    return answers(*[(a, shoes[(i + 1) % 6], shoes[(i + 2) % 6]) for i, a in enumerate(shoes)])


def is_sound(batch, manifest, targets):
    """Rows, labels and sides of a batch agree with the manifest."""
    assert (targets.names[batch.labels] == manifest.column(targets.target)[batch.rows]).all()
    assert (batch.query == (manifest.role[batch.rows] == "query")).all()
    for triplet in batch.triplets:
        assert batch.query[triplet].tolist() == [True, False, False]
        assert len(set(batch.group[triplet])) == 1


WAYS = [
    {"kind": "triplet", "negatives": "in-batch"},
    {"kind": "triplet", "negatives": "batch-hard"},
    {"kind": "triplet", "negatives": "random"},
    {"kind": "triplet", "negatives": "annotated", "hard_share": 0.5},
    {"kind": "cross-entropy"},
    {"kind": "NTXentLoss"},
]


@pytest.mark.parametrize("loss", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize("target", ["instance", "category"])
def test_batches_are_sound_and_depend_on_the_generator_only(recipe, manifest, human, loss, target):
    if target == "category" and loss.get("negatives") == "annotated":
        with pytest.raises(RecipeError, match="no human triplets"):  # people compared instances
            make_sampler(
                recipe(loss=loss, data={"target": target}), Targets(manifest, target, [human])
            )
        return
    targets = Targets(manifest, target, [human])
    sample = make_sampler(recipe(loss=loss, data={"target": target}), targets)
    seen = set()
    for seed in range(12):
        one, other = sample(rng(seed)), sample(rng(seed))
        for name in ("rows", "labels", "query", "group", "triplets"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        is_sound(one, manifest, targets)
        seen.add(tuple(one.rows))
    assert len(seen) > 1


def test_random_triplets_pair_the_true_match_with_another_of_its_category(recipe, manifest):
    targets = Targets(manifest, "instance", [])
    plan = recipe(loss={"negatives": "random"}, loop={"batch": 200})
    batch = make_sampler(plan, targets)(rng())
    assert batch.triplets.shape == (200, 3)
    labels = batch.labels[batch.triplets]
    assert (labels[:, 0] == labels[:, 1]).all()
    assert (labels[:, 0] != labels[:, 2]).all()
    category = manifest.category[batch.rows][batch.triplets]
    assert (category == category[:, :1]).all()
    assert set(category.ravel()) == {"bag", "shoe"}


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.25, 2), (0.75, 6), (1.0, 8)])
def test_the_hard_share_is_annotated(recipe, manifest, human, share, count):
    targets = Targets(manifest, "instance", [human])
    plan = recipe(loss={"negatives": "annotated", "hard_share": share}, loop={"batch": 8})
    known = set(zip(human.anchor, human.nearer, human.farther, strict=True))
    for seed in range(5):
        batch = make_sampler(plan, targets)(rng(seed))
        names = [tuple(row) for row in targets.names[batch.labels[batch.triplets]]]
        assert sum(name in known for name in names) == count
        assert all(name[0] == name[1] for name in names if name not in known)


def test_only_triplets_of_known_instances_are_kept(manifest):
    shoes = sorted({n for n in manifest.instance.tolist() if n.startswith("shoe")})
    good = (shoes[0], shoes[1], shoes[2])
    given = answers(
        good,
        (shoes[0], shoes[1], "shoe/999"),
        ("shoe/999", shoes[1], shoes[2]),
        (shoes[0], "a", shoes[2]),
        ("zzz", "zzz", "zzz"),
    )
    targets = Targets(manifest, "instance", [given, answers(good)])
    assert [tuple(row) for row in targets.names[targets.triplets]] == [good, good]


def test_categories_ignore_human_triplets(manifest, human):
    assert Targets(manifest, "category", [human]).triplets.shape == (0, 3)


def test_pairs_are_of_different_instances_of_one_category(recipe, manifest):
    targets = Targets(manifest, "instance", [])
    sample = make_sampler(recipe(loop={"batch": 4}), targets)
    categories = set()
    for seed in range(20):
        batch = sample(rng(seed))
        assert len(batch.rows) == 8
        assert len(set(batch.labels[:4])) == 4
        assert (batch.labels[:4] == batch.labels[4:]).all()
        assert (batch.group[:4] == batch.group[4:]).all()
        (category,) = set(manifest.category[batch.rows])
        categories.add(category)
    assert categories == {"bag", "shoe"}


def test_pairs_of_categories_mix_them(recipe, manifest):
    targets = Targets(manifest, "category", [])
    batch = make_sampler(recipe(data={"target": "category"}), targets)(rng())
    assert sorted(targets.names[batch.labels[batch.query]]) == ["bag", "shoe"]


def test_a_batch_larger_than_the_category_takes_all_of_it(recipe, manifest):
    targets = Targets(manifest, "instance", [])
    batch = make_sampler(recipe(loop={"batch": 99}), targets)(rng())
    assert len(batch.rows) == 12
    whole = make_sampler(recipe(loss={"kind": "cross-entropy"}, loop={"batch": 99}), targets)(rng())
    assert sorted(whole.rows) == list(range(24))


def test_instances_without_both_sides_are_not_paired(recipe, manifest):
    lonely = manifest.instance[0]
    keep = ~((manifest.instance == lonely) & (manifest.role == "query"))
    targets = Targets(manifest.take(keep), "instance", [])
    assert lonely in targets.names
    assert lonely not in targets.names[targets.paired]


@pytest.mark.parametrize("negatives", ["random", "in-batch"])
def test_an_instance_alone_in_its_category_is_left_out(recipe, products, negatives):
    manifest = products(7, ("bag", "shoe", "bag", "shoe", "bag", "shoe", "hat"))
    sample = make_sampler(recipe(loss={"negatives": negatives}), Targets(manifest, "instance", []))
    for seed in range(30):
        assert "hat" not in manifest.category[sample(rng(seed)).rows]


def people(counts=(1, 2, 3, 5, 4), camera=0):
    """Grey images of persons, so many of each."""
    names = [f"{number:04}" for number, count in enumerate(counts) for _ in range(count)]
    pixels = [np.full((90, 90), 200, dtype=np.uint8) for _ in names]
    return Manifest.build(pixels, names, split="train", camera=camera)


P_BY_K = {"kind": "cross-entropy", "triplet": 1.0}


def test_p_by_k_batches_have_k_images_of_each_of_p_instances(recipe):
    targets = Targets(people(), "instance", [])
    plan = recipe(loss=P_BY_K, loop={"batch": 9, "images_per_label": 3})
    sample, seen = make_sampler(plan, targets), set()
    for seed in range(40):
        batch = sample(rng(seed))
        assert batch.query.all()
        assert (targets.labels[batch.rows] == batch.labels).all()
        labels, counts = np.unique(batch.labels, return_counts=True)
        assert counts.tolist() == [3, 3, 3]
        for label in labels:
            rows = batch.rows[batch.labels == label]
            enough = (targets.labels == label).sum() >= 3
            assert len(set(rows.tolist())) == 3 or not enough
        assert len(set(batch.group.tolist())) == 9  # each flips by itself
        seen.update(labels.tolist())
    assert seen == {1, 2, 3, 4}  # an instance with one image has no positive


def test_p_by_k_batches_need_two_instances_with_two_images(recipe):
    plan = recipe(loss=P_BY_K, loop={"batch": 8, "images_per_label": 2})
    with pytest.raises(DataError, match="1 instance labels with two images"):
        make_sampler(plan, Targets(people((1, 1, 5)), "instance", []))


def test_nothing_to_pair_is_told(recipe, products):
    with pytest.raises(DataError, match="check the dataset"):
        make_sampler(recipe(), Targets(products(1), "instance", []))
    photos = products(4).where(role="gallery")
    with pytest.raises(DataError, match="0 instance labels"):
        make_sampler(recipe(), Targets(photos, "instance", []))


def test_annotated_negatives_need_annotations(recipe, manifest):
    with pytest.raises(RecipeError, match="no human triplets"):
        make_sampler(recipe(loss={"negatives": "annotated"}), Targets(manifest, "instance", []))


def test_categories_need_categories(products):
    with pytest.raises(DataError, match="without a category"):
        Targets(products(4), "category", [])


def test_images_that_do_not_fit_into_memory_are_read_each_time(manifest, monkeypatch):
    preprocess = Preprocess((90, 90), (81, 81))
    kept = ImageCache(manifest, preprocess)
    none_left = lambda: SimpleNamespace(available=2 * 24 * 90 * 90 - 1)  # noqa: E731
    monkeypatch.setattr(batches.psutil, "virtual_memory", none_left)
    read = ImageCache(manifest, preprocess)
    assert kept.stack is not None
    assert read.stack is None
    for rows in ([3], [5, 0, 5, 23], list(range(24))):
        assert np.array_equal(kept[np.array(rows)], read[np.array(rows)])


def test_the_cache_tells_how_far_it_is(manifest, capsys):
    ImageCache(manifest, Preprocess((90, 90), (81, 81)))
    told = capsys.readouterr().err
    assert "images: 100%" in told
    assert "24/24" in told


def test_images_of_both_sides_stand_on_both():
    for role in ("", "both"):
        targets = Targets(Manifest.build(list("abc"), [1, 1, 2], role=role), "instance", [])
        for rows in (targets.query_rows, targets.gallery_rows):
            assert [own.tolist() for own in rows] == [[0, 1], [2]]
