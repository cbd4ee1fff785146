"""The parts of a recipe: every key, with its meaning.

The part [input] is `cdim.data.preprocess.Preprocess`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cdim.errors import RecipeError

TrainPrecision = Literal["fp32", "bf16", "auto"]
Pool = Literal["flatten", "average", "gem", "max", "attention", "grid2", "grid3", "grid4", "grid8"]


@dataclass(frozen=True)
class DataPart:
    """[data]: the training data.

    Args:
        train: dataset names or paths, joined; only their train split is used, or all of a
            set in which no image names a split.
        validation: share of the train instances held out for early stopping, in [0, 1).
            0 trains on all of them for the full number of steps.
        validation_seed: which instances those are; the same for every training seed.
        fold: which part of the shuffled instances is held out: with validation = 0.2, the folds 0
            to 4 together hold out every instance once.
        target: what the loss tells apart: instances, or whole categories.
        layout: what the folders of folders and zips are, as for `cdim.open_dataset`; "" to
            recognise it.
    """

    train: tuple[str, ...]
    validation: float = 0.15
    validation_seed: int = 0
    fold: int = 0
    target: Literal["instance", "category"] = "instance"
    layout: str = ""


@dataclass(frozen=True)
class AugmentPart:
    """[augment]: random changes to training images, drawn anew for every batch.

    Args:
        flip: probability of a mirror image; the images of a pair or triplet flip together.
        crop: "random" positions, or the "center" as in evaluation.
        rotate: largest rotation, degrees.
        scale: largest change of size, as a share (0.1: 0.9 to 1.1), each axis for itself.
        shift: largest shift, as a share of the side, beyond what the crop gives.
        elastic: typical size of a smooth distortion, as a share of the side.
        erase: share of the image painted in the mean colour in one random rectangle, at most.
        erase_chance: probability that an image loses such a rectangle (random erasing).
        thicken: probability that dark strokes become one pixel thicker on each side.
    """

    flip: float = 0.5
    crop: Literal["random", "center"] = "random"
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    erase: float = 0.0
    erase_chance: float = 1.0
    thicken: float = 0.0


@dataclass(frozen=True)
class ModelPart:
    """[model]: the network and where its weights come from.

    Args:
        backbone: "sketch-a-net", or any network of timm by its name there.
        last_stride: 1 removes the last halving of a timm CNN of stride 32, so that its last maps
            have four times the cells (Luo et al., CVPRW 2019); 2 leaves the network as it is.
        weights: pre-trained weights of the backbone: "timm" (downloaded), a file
            (.safetensors, or .pth holding tensors only), "pypi:<package>" for the file inside an
            installed Python package, or "" for none; see `cdim.learn.networks.weights`.
        freeze: modules of the backbone, by dotted name, that keep their weights and norms.
        start: an earlier stage's run to take the backbone's weights from: the name of a run
            beside this one, or a path. A run `<name>-<seed>` that is missing is trained first
            if its recipe `<name>.toml` lies beside this one. "" starts from random weights.
        start_skip: backbone layers not loaded from it, by a part of their name, e.g. "fc7".
    """

    backbone: str = "sketch-a-net"
    last_stride: Literal[1, 2] = 2
    weights: str = ""
    freeze: tuple[str, ...] = ()
    start: str = ""
    start_skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class FusionPart:
    """[fusion]: see `cdim.learn.networks.fusion.Fusion`.

    Args:
        taps: middle maps that join the final feature, for a timm network any module by its
            dotted name ("layer4.0" of ResNet-50 is res5a); () is the paper's "Vanilla".
        pool: one way of pooling for all taps, or one a tap. "attention" is Fig. 3(b), see
            `cdim.learn.networks.fusion.Attention`.
        project: size of one linear layer behind the joined taps; 0 for none.
        final: whether the final feature is joined as well; false leaves the taps alone.
        normalise: "l2" scales each part to length one before joining (FG-SBIR), "root" the signed
            square roots of its values, "none" (ReID).
        mirror: average each part with that of the mirror image, whenever the network is not
            trained (flip test, ReID): embedding takes twice as long.
    """

    taps: tuple[str, ...] = ()
    pool: Pool | tuple[Pool, ...] = "flatten"
    project: int = 0
    final: bool = True
    normalise: Literal["l2", "root", "none"] = "l2"
    mirror: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.pool, str) and len(self.pool) != len(self.taps):
            raise RecipeError(
                f"fusion.pool = {list(self.pool)} for the taps {list(self.taps)}",
                "it is one value, or one a tap",
                "make the two lists equally long",
            )
        if not self.taps and (self.project or not self.final):
            key = f"project = {self.project}" if self.project else "final = false"
            raise RecipeError(
                f"fusion.{key} without taps",
                "a projection, and an embedding without the final feature, are made of taps",
                "name fusion.taps, or set project = 0 and final = true",
            )

    @property
    def pools(self) -> tuple[Pool, ...]:
        """One way of pooling a tap."""
        return (self.pool,) * len(self.taps) if isinstance(self.pool, str) else self.pool


@dataclass(frozen=True)
class LossPart:
    """[loss]: the loss.

    Args:
        kind: "triplet" (Eq. 2), "cross-entropy" over the targets, or the class name of a
            pytorch-metric-learning loss that compares two sides or learns classes.
        margin: of the triplet loss, in units of the distance.
        distance: of the triplet loss: "euclidean" as the paper, "squared" as its code.
        negatives: which triplets a batch makes: "annotated" by people, "random" photos,
            every other photo "in-batch", or only the nearest ("batch-hard").
        hard_share: with "annotated", the share of triplets that come from the annotations; the
            rest pairs the true match with a random photo.
        smoothing: label smoothing of "cross-entropy": the share of certainty removed.
        neck: with "cross-entropy", "bn" puts a batch norm between the fused vector and the
            classifier (BNNeck, Luo et al., CVPRW 2019). The embedding remains the fused vector,
            which a triplet loss compares.
        triplet: with "cross-entropy", weight of a batch-hard triplet loss added to it (with
            `margin` and `distance`; needs loop.images_per_label); 0 adds none.
        options: keyword arguments of a pytorch-metric-learning loss.
    """

    kind: str = "triplet"
    margin: float = 0.3
    distance: Literal["euclidean", "squared"] = "euclidean"
    negatives: Literal["annotated", "random", "in-batch", "batch-hard"] = "annotated"
    hard_share: float = 0.75
    smoothing: float = 0.0
    neck: Literal["none", "bn"] = "none"
    triplet: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimiserPart:
    """[optimiser].

    Args:
        kind: "sgd" with momentum, or "adamw".
        lr: the learning rate after warm-up.
        momentum: of sgd.
        weight_decay: on weights; biases and norms are left alone.
        schedule: "constant", "cosine" down to zero at the last step, or "exponential":
            times `decay` every `decay_every` steps.
        decay: of "exponential".
        decay_every: steps; of "exponential".
        warmup: steps over which the learning rate rises from zero.
        ema: decay of an average of the weights that is evaluated and kept instead; 0 for none.
    """

    kind: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    decay: float = 0.95
    decay_every: int = 1000
    warmup: int = 0
    ema: float = 0.0


@dataclass(frozen=True)
class LoopPart:
    """[loop].

    Args:
        batch: triplets, pairs or (cross-entropy) images a step.
        images_per_label: K of P x K batches, in which each of P labels has K images and all
            are compared with all; 0 draws as the loss needs.
        steps: at most this many; 0 takes the network of `model.start` or `model.weights` as it is.
        evaluate_every: steps between two validations; also between saves.
        patience: validations without improvement before training stops; 0 never stops early.
        precision: "fp32"; "bf16" autocast; "auto": bf16 where the device computes it faster (2 to 4
            times on CPUs that have it, while others need 5 to 13 times as long). The run's
            `recipe.toml` says which it was.
        channels_last: memory layout that convolutions like best.
    """

    batch: int = 128
    images_per_label: int = 0
    steps: int = 20000
    evaluate_every: int = 100
    patience: int = 20
    precision: TrainPrecision = "fp32"
    channels_last: bool = True
