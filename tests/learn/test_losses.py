"""The losses against naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses as theirs

from cdim.errors import RecipeError
from cdim.learn.recipes.parts import LossPart
from cdim.learn.training.batches import Batch
from cdim.learn.training.losses import CrossEntropy, MetricLearningLoss, TripletLoss, build_loss

LABELS = (0, 1, 2, 3, 1)
"""Labels of the queries, then of the gallery: 4 has no query, 3 no gallery image."""
OFFERED = (1, 0, 2, 4, 0, 2)


def pairs_batch():
    labels = np.array([*LABELS, *OFFERED])
    query = np.arange(len(labels)) < len(LABELS)
    return Batch(np.arange(len(labels)), labels, query, np.arange(len(labels)))


def listed_batch(triplets, n):
    rows = np.arange(n)
    return Batch(rows, rows % 3, rows % 2 == 0, rows, np.array(triplets, dtype=np.intp))


def embeddings(n, dim=4, seed=0, scale=0.5):
    torch.manual_seed(seed)
    return (torch.randn(n, dim) * scale).requires_grad_()


def distance(a, b, squared):
    square = sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))
    return square if squared else math.sqrt(square)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.3, 2.0])
def test_listed_triplets(squared, margin):
    triplets = [(0, 1, 2), (0, 2, 1), (3, 4, 5), (6, 0, 3)]
    given = embeddings(7).detach()
    terms = [
        max(
            0.0,
            margin + distance(given[a], given[p], squared) - distance(given[a], given[n], squared),
        )
        for a, p, n in triplets
    ]
    found = TripletLoss(margin, squared)(given, listed_batch(triplets, 7))
    assert found.item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("margin", [0.1, 0.3, 2.0])
def test_in_batch_is_the_mean_over_triplets_that_violate_the_margin(squared, margin):
    given = embeddings(11).detach()
    left, right = given[:5], given[5:]
    terms = []
    for i, label in enumerate(LABELS):
        for j, near in enumerate(OFFERED):
            for k, far in enumerate(OFFERED):
                if near == label and far != label:
                    terms.append(
                        margin
                        + distance(left[i], right[j], squared)
                        - distance(left[i], right[k], squared)
                    )
    violating = [t for t in terms if t > 0]
    assert violating
    found = TripletLoss(margin, squared)(given, pairs_batch())
    assert found.item() == pytest.approx(sum(violating) / len(violating), abs=1e-5)


@pytest.mark.parametrize("squared", [False, True])
def test_batch_hard_is_the_farthest_positive_and_the_nearest_negative(squared):
    given = embeddings(11, seed=1).detach()
    left, right = given[:5], given[5:]
    terms = []
    for i, label in enumerate(LABELS):
        near = [distance(left[i], right[j], squared) for j, o in enumerate(OFFERED) if o == label]
        far = [distance(left[i], right[j], squared) for j, o in enumerate(OFFERED) if o != label]
        terms.append(max(0.0, 0.3 + max(near) - min(far)) if near else 0.0)
    found = TripletLoss(0.3, squared, hard=True)(given, pairs_batch())
    assert found.item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_nothing_violated_is_a_loss_of_zero_with_zero_gradients():
    given = (torch.eye(2).repeat(2, 1) * 10).requires_grad_()
    batch = Batch(np.arange(4), np.array([0, 1, 0, 1]), np.arange(4) < 2, np.arange(4) % 2)
    for hard in (False, True):
        loss = TripletLoss(0.3, hard=hard)(given, batch)
        loss.backward()
        assert loss.item() == 0
        assert (given.grad == 0).all()


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("way", ["listed", "in-batch", "batch-hard"])
def test_gradients_are_finite_where_all_embeddings_are_equal(squared, way):
    given = torch.ones(11, 4, requires_grad=True)
    batch = listed_batch([(0, 1, 2), (3, 4, 5)], 11) if way == "listed" else pairs_batch()
    loss = TripletLoss(0.3, squared, hard=way == "batch-hard")(given, batch)
    loss.backward()
    assert loss.item() == pytest.approx(0.3 * (0.8 if way == "batch-hard" else 1), abs=1e-4)
    assert torch.isfinite(given.grad).all()


def test_a_step_against_the_gradient_lowers_the_loss():
    given, loss = embeddings(11), TripletLoss(0.3)
    before = loss(given, pairs_batch())
    before.backward()
    assert loss(given - 0.01 * given.grad, pairs_batch()).item() < before.item()


def test_cross_entropy_is_torchs_through_one_linear_layer():
    torch.manual_seed(0)
    loss = build_loss(LossPart("cross-entropy"), dim=4, classes=5)
    given, batch = embeddings(11), pairs_batch()
    layer = loss.classify.classify
    scores = given @ layer.weight.T + layer.bias
    wanted = torch.nn.functional.cross_entropy(scores, torch.from_numpy(batch.labels))
    torch.testing.assert_close(loss(given, batch), wanted)


def test_label_smoothing_takes_certainty_from_the_true_class():
    torch.manual_seed(0)
    loss, given = CrossEntropy(4, 5, smoothing=0.2), embeddings(11).detach()
    logs = loss.classify(given).log_softmax(1).detach()
    labels = pairs_batch().labels
    terms = []
    for row, label in enumerate(labels):
        wished = [0.2 / 5 + (0.8 if k == label else 0) for k in range(5)]
        terms.append(-sum(w * float(logs[row, k]) for k, w in enumerate(wished)))
    found = loss(given, pairs_batch())
    assert found.item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_a_triplet_loss_is_added_on_the_vectors_before_the_neck():
    torch.manual_seed(0)
    part = LossPart("cross-entropy", triplet=0.5, margin=2.0, smoothing=0.1, neck="bn")
    loss = build_loss(part, dim=4, classes=5)
    given, batch = embeddings(12), all_with_all(3, 4)
    neck = loss.classify.neck
    assert not neck.bias.requires_grad
    normed = (given - given.mean(0)) / (given.var(0, unbiased=False) + neck.eps).sqrt()
    logits = loss.classify.classify(normed * neck.weight)
    labels = torch.from_numpy(batch.labels)
    classes = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    wanted = 0.5 * TripletLoss(2.0, hard=True)(given, batch) + classes
    torch.testing.assert_close(loss(given, batch), wanted)


def all_with_all(labels, each):
    n = labels * each
    return Batch(np.arange(n), np.arange(n) // each, np.ones(n, dtype=bool), np.arange(n))


@pytest.mark.parametrize("hard", [False, True])
def test_in_a_p_by_k_batch_every_image_is_compared_with_every_other(hard):
    given, batch = embeddings(12).detach(), all_with_all(4, 3)
    n, labels, margin = 12, batch.labels, 0.7
    apart = [[distance(given[i], given[j], False) for j in range(n)] for i in range(n)]
    terms = []
    for i in range(n):
        near = [apart[i][j] for j in range(n) if labels[j] == labels[i] and j != i]
        far = [apart[i][j] for j in range(n) if labels[j] != labels[i]]
        if hard:
            terms.append(max(0.0, margin + max(near) - min(far)))
        else:
            terms += [margin + a - b for a in near for b in far if margin + a - b > 0]
    found = TripletLoss(margin, hard=hard)(given, batch)
    assert found.item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_a_loss_over_pairs_leaves_an_image_and_itself_out_of_a_p_by_k_batch():
    loss = build_loss(LossPart("MultiSimilarityLoss"), dim=4, classes=4)
    given, batch = embeddings(12), all_with_all(4, 3)
    wanted = theirs.MultiSimilarityLoss()(given, torch.from_numpy(batch.labels))
    torch.testing.assert_close(loss(given, batch), wanted)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("MultiSimilarityLoss", {"alpha": 1.5}), ("NTXentLoss", {}), ("TripletMarginLoss", {})],
)
def test_a_loss_over_pairs_compares_queries_with_the_gallery(kind, options):
    loss = build_loss(LossPart(kind, options=options), dim=4, classes=5)
    given, batch = embeddings(11), pairs_batch()
    labels = torch.from_numpy(batch.labels)
    wanted = getattr(theirs, kind)(**options)(
        given[:5], labels[:5], ref_emb=given[5:], ref_labels=labels[5:]
    )
    assert wanted.item() > 0
    torch.testing.assert_close(loss(given, batch), wanted)


@pytest.mark.parametrize(
    "kind", ["ProxyAnchorLoss", "ArcFaceLoss", "CosFaceLoss", "SoftTripleLoss"]
)
def test_a_loss_over_classes_sees_all_images(kind):
    torch.manual_seed(3)
    loss = build_loss(LossPart(kind), dim=4, classes=5)
    torch.manual_seed(3)
    direct = getattr(theirs, kind)(num_classes=5, embedding_size=4)
    direct.load_state_dict(loss.classify.loss.state_dict())
    given, batch = embeddings(11), pairs_batch()
    wanted = direct(given, torch.from_numpy(batch.labels))
    torch.testing.assert_close(loss(given, batch), wanted)
    assert isinstance(loss.classify, MetricLearningLoss)
    assert list(loss.parameters())


def test_the_recipe_chooses_the_triplets():
    part = LossPart(negatives="batch-hard", distance="squared", margin=0.5)
    hard = build_loss(part, 4, 5).compare
    assert (hard.hard, hard.squared, hard.margin) == (True, True, 0.5)
    soft = build_loss(LossPart(), 4, 5).compare
    assert (soft.hard, soft.squared, soft.margin) == (False, False, 0.3)


@pytest.mark.parametrize(
    ("kind", "nearest"),
    [
        ("tripplet", "triplet"),
        ("crossentropy", "cross-entropy"),
        ("MultiSimilarityLos", "MultiSimilarityLoss"),
    ],
)
def test_an_unknown_loss_names_the_nearest(kind, nearest):
    with pytest.raises(RecipeError, match=f"did you mean '{nearest}'"):
        build_loss(LossPart(kind), 4, 5)


def test_an_unknown_option_of_a_loss_is_named():
    with pytest.raises(RecipeError, match=r"NTXentLoss.*tempature"):
        build_loss(LossPart("NTXentLoss", options={"tempature": 0.1}), 4, 5)


@pytest.mark.parametrize("kind", ["SmoothAPLoss", "BaseMetricLossFunction"])
def test_a_loss_that_cannot_compare_two_sides_is_refused_before_training(kind):
    with pytest.raises(RecipeError, match="fails on a trial batch"):
        build_loss(LossPart(kind=kind), dim=8, classes=4)
