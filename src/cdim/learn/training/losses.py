"""What training minimises. Each loss sees a batch's embeddings and the batch itself."""

from __future__ import annotations

import inspect

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from jaxtyping import Float
from torch import Tensor, nn

from cdim.errors import RecipeError, nearest
from cdim.learn.recipes.parts import LossPart
from cdim.learn.training.batches import Batch

OWN = ("triplet", "cross-entropy")
TRIAL = Batch(
    rows=np.arange(4),
    labels=np.array([0, 1, 0, 1]),
    query=np.array([True, True, False, False]),
    group=np.array([0, 1, 0, 1]),
)
"""Two pairs: what a loss is tried on before training."""


class TripletLoss(nn.Module):
    """Triplet ranking loss, mean of `max(0, margin + d(a, p) - d(a, n))` (Eq. 2).

    Which triplets: those the batch lists; without a list, every query with its own gallery images
    against all others ("in-batch": the mean over triplets that still violate the margin), or only
    the farthest positive and the nearest negative of each query ("batch-hard"; Hermans et al.,
    2017). In a P x K batch every image is a query and all others are its gallery.

    pytorch-metric-learning's `TripletMarginLoss` computes all distances by `torch.cdist`: that
    differs in the last digits, and listed triplets would cost a whole matrix. Its miner leaves
    queries without a positive out, which here count as zero.

    Args:
        margin: in units of the distance.
        squared: squared Euclidean distances, as the paper's code; else Euclidean, as the paper.
        hard: "batch-hard" instead of "in-batch" where the batch lists no triplets.
    """

    def __init__(self, margin: float = 0.3, squared: bool = False, hard: bool = False) -> None:
        super().__init__()
        self.margin = margin
        self.squared = squared
        self.hard = hard

    def forward(self, embeddings: Float[Tensor, "batch dim"], batch: Batch) -> Float[Tensor, ""]:
        """The loss, a scalar."""
        if len(batch.triplets):
            anchor, positive, negative = (embeddings[i] for i in batch.triplets.T)
            near, far = self._root(
                torch.stack([((anchor - p) ** 2).sum(1) for p in (positive, negative)])
            )
            return F.relu(self.margin + near - far).mean()
        labels = torch.from_numpy(batch.labels).to(embeddings.device)
        anchors, others = batch.sides
        left, right = embeddings[anchors], embeddings[others]
        squares = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T
        distances = self._root(squares)
        same = labels[anchors][:, None] == labels[others][None]
        if self.hard:
            near = distances.masked_fill(~same, -torch.inf).amax(1)
            far = distances.masked_fill(same, torch.inf).amin(1)
            return F.relu(self.margin + near - far).mean()
        itself = torch.from_numpy(anchors[:, None] == others[None]).to(embeddings.device)
        terms = F.relu(self.margin + distances[:, :, None] - distances[:, None, :])
        terms = terms[(same & ~itself)[:, :, None] & ~same[:, None, :]]
        return terms.sum() / (terms > 0).sum().clamp(min=1)

    def _root(self, squares: Tensor) -> Tensor:
        # The root's slope at 0 is infinite; below 1e-12 it is not followed.
        return squares if self.squared else squares.clamp(min=1e-12).sqrt()


class CrossEntropy(nn.Module):
    """Softmax cross-entropy over the targets through one linear layer (Eq. 3).

    With a `neck` a batch norm, with scale and without shift, comes before that layer.
    """

    def __init__(self, dim: int, classes: int, smoothing: float = 0.0, neck: bool = False) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(dim) if neck else None
        if self.neck is not None:
            self.neck.bias.requires_grad_(False)
        self.classify = nn.Linear(dim, classes)
        self.smoothing = smoothing

    def logits(self, embeddings: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch classes"]:
        """How much speaks for each class, before the softmax."""
        scores: Tensor = self.classify(embeddings if self.neck is None else self.neck(embeddings))
        return scores.float()

    def forward(self, embeddings: Float[Tensor, "batch dim"], batch: Batch) -> Float[Tensor, ""]:
        """The loss, a scalar."""
        labels = torch.from_numpy(batch.labels).to(embeddings.device)
        return F.cross_entropy(self.logits(embeddings), labels, label_smoothing=self.smoothing)


class MetricLearningLoss(nn.Module):
    """A loss of pytorch-metric-learning.

    Losses over pairs compare queries with gallery images only; losses over classes (those that take
    `num_classes`) see all images.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.by_class = "num_classes" in _parameters(type(loss))

    def forward(self, embeddings: Float[Tensor, "batch dim"], batch: Batch) -> Float[Tensor, ""]:
        """The loss, a scalar."""
        labels = torch.from_numpy(batch.labels).to(embeddings.device)
        if self.by_class:
            value: Tensor = self.loss(embeddings, labels)
            return value
        anchors, others = batch.sides
        theirs = {"ref_emb": embeddings[others], "ref_labels": labels[others]}
        if batch.query.all():  # without a reference the library leaves out an image with itself
            theirs = {}
        across: Tensor = self.loss(embeddings[anchors], labels[anchors], **theirs)
        return across


class Objective(nn.Module):
    """What a recipe minimises: a loss over distances, times `weight`, one over classes, or both."""

    def __init__(
        self, compare: nn.Module | None, classify: nn.Module | None, weight: float = 1.0
    ) -> None:
        super().__init__()
        self.compare = compare
        self.classify = classify
        self.weight = weight

    def forward(self, embeddings: Float[Tensor, "batch dim"], batch: Batch) -> Float[Tensor, ""]:
        """The loss, a scalar."""
        total = embeddings.new_zeros(())
        if self.compare is not None:
            total = total + self.weight * self.compare(embeddings, batch)
        if self.classify is not None:
            total = total + self.classify(embeddings, batch)
        return total


def build_loss(part: LossPart, dim: int, classes: int) -> Objective:
    """The loss of a recipe, for embeddings of `dim` dimensions and a number of targets.

    Raises:
        RecipeError: a name pytorch-metric-learning does not have, options it refuses, or a loss
            that cannot compare queries with a gallery.
    """
    squared = part.distance == "squared"
    if part.kind == "triplet":
        return Objective(TripletLoss(part.margin, squared, part.negatives == "batch-hard"), None)
    if part.kind == "cross-entropy":
        added = TripletLoss(part.margin, squared, hard=True) if part.triplet else None
        classifier = CrossEntropy(dim, classes, part.smoothing, part.neck == "bn")
        return Objective(added, classifier, part.triplet)
    from pytorch_metric_learning import losses

    known = {k for k, v in vars(losses).items() if inspect.isclass(v) and issubclass(v, nn.Module)}
    if part.kind not in known:
        raise RecipeError(
            f"loss.kind = {part.kind!r}",
            "it is 'triplet', 'cross-entropy' or a loss of pytorch-metric-learning",
            nearest(part.kind, {*OWN, *known}),
        )
    kind = getattr(losses, part.kind)
    options = dict(part.options)
    if "num_classes" in _parameters(kind):
        options = {"num_classes": classes, "embedding_size": dim, **options}
    try:
        loss = MetricLearningLoss(kind(**options))
        loss(torch.arange(4.0 * dim).reshape(4, dim).sin(), TRIAL)
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        raise RecipeError(
            f"{part.kind} with loss.options {options} fails on a trial batch",
            f"a loss that compares queries with a gallery, or learns classes, fits; "
            f"pytorch-metric-learning says: {str(error) or type(error).__name__}",
            "see its documentation of that loss",
        ) from None
    return Objective(None, loss) if loss.by_class else Objective(loss, None)


def _parameters(kind: type) -> set[str]:
    """What a class and its bases take; `CosFaceLoss` hands `num_classes` on to its base."""
    own = [vars(c)["__init__"] for c in inspect.getmro(kind) if "__init__" in vars(c)]
    return {name for init in own for name in inspect.signature(init).parameters}
