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
    """[data]: the training data."""

    # dataset names or paths, joined; only their train split is used, or all of a set in which no
    # image names a split
    train: tuple[str, ...]
    # share of the train instances held out for early stopping, in [0, 1). 0 trains on all of them
    # for the full number of steps.
    validation: float = 0.15
    validation_seed: int = 0  # which instances those are; the same for every training seed
    # which part of the shuffled instances is held out: with validation = 0.2, the folds 0 to 4
    # together hold out every instance once
    fold: int = 0
    # what the loss tells apart: instances, or whole categories
    target: Literal["instance", "category"] = "instance"
    # what the folders of folders and zips are, as for `cdim.open_dataset`; "" to recognise it
    layout: str = ""


@dataclass(frozen=True)
class AugmentPart:
    """[augment]: random changes to training images, drawn anew for every batch."""

    # probability of a mirror image; the images of a pair or triplet flip together
    flip: float = 0.5
    # "random" positions, or the "center" as in evaluation
    crop: Literal["random", "center"] = "random"
    rotate: float = 0.0  # largest rotation, degrees
    scale: float = 0.0  # largest change of size, as a share (0.1: 0.9 to 1.1), each axis for itself
    shift: float = 0.0  # largest shift, as a share of the side, beyond what the crop gives
    elastic: float = 0.0  # typical size of a smooth distortion, as a share of the side
    # share of the image painted in the mean colour in one random rectangle, at most
    erase: float = 0.0
    erase_chance: float = 1.0  # probability that an image loses such a rectangle (random erasing)
    thicken: float = 0.0  # probability that dark strokes become one pixel thicker on each side


@dataclass(frozen=True)
class ModelPart:
    """[model]: the network and where its weights come from."""

    backbone: str = "sketch-a-net"  # "sketch-a-net", or any network of timm by its name there
    # 1 removes the last halving of a timm CNN of stride 32, so that its last maps have four times
    # the cells (Luo et al., CVPRW 2019); 2 leaves the network as it is
    last_stride: Literal[1, 2] = 2
    # pre-trained weights of the backbone: "timm" (downloaded), a file (.safetensors, or .pth
    # holding tensors only), "pypi:<package>" for the file inside an installed Python package, or ""
    # for none; see `cdim.learn.networks.weights`
    weights: str = ""
    # modules of the backbone, by dotted name, that keep their weights and norms
    freeze: tuple[str, ...] = ()
    # an earlier stage's run to take the backbone's weights from: the name of a run beside this one,
    # or a path. A run `<name>-<seed>` that is missing is trained first if its recipe `<name>.toml`
    # lies beside this one. "" starts from random weights.
    start: str = ""
    # backbone layers not loaded from it, by a part of their name, e.g. "fc7".
    start_skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class FusionPart:
    """[fusion]: see `cdim.learn.networks.fusion.Fusion`."""

    # middle maps that join the final feature, for a timm network any module by its dotted name
    # ("layer4.0" of ResNet-50 is res5a); () is the paper's "Vanilla"
    taps: tuple[str, ...] = ()
    # one way of pooling for all taps, or one a tap. "attention" is Fig. 3(b), see
    # `cdim.learn.networks.fusion.Attention`.
    pool: Pool | tuple[Pool, ...] = "flatten"
    project: int = 0  # size of one linear layer behind the joined taps; 0 for none
    final: bool = True  # whether the final feature is joined as well; false leaves the taps alone
    # "l2" scales each part to length one before joining (FG-SBIR), "root" the signed square roots
    # of its values, "none" (ReID)
    normalise: Literal["l2", "root", "none"] = "l2"
    # average each part with that of the mirror image, whenever the network is not trained (flip
    # test, ReID): embedding takes twice as long
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
    """[loss]: the loss."""

    # "triplet" (Eq. 2), "cross-entropy" over the targets, or the class name of a
    # pytorch-metric-learning loss that compares two sides or learns classes.
    kind: str = "triplet"
    margin: float = 0.3  # of the triplet loss, in units of the distance
    # of the triplet loss: "euclidean" as the paper, "squared" as its code
    distance: Literal["euclidean", "squared"] = "euclidean"
    # which triplets a batch makes: "annotated" by people, "random" photos, every other photo
    # "in-batch", or only the nearest ("batch-hard")
    negatives: Literal["annotated", "random", "in-batch", "batch-hard"] = "annotated"
    # with "annotated", the share of triplets that come from the annotations; the rest pairs the
    # true match with a random photo
    hard_share: float = 0.75
    smoothing: float = 0.0  # label smoothing of "cross-entropy": the share of certainty removed
    # with "cross-entropy", "bn" puts a batch norm between the fused vector and the classifier
    # (BNNeck, Luo et al., CVPRW 2019). The embedding remains the fused vector, which a triplet loss
    # compares.
    neck: Literal["none", "bn"] = "none"
    # with "cross-entropy", weight of a batch-hard triplet loss added to it (with `margin` and
    # `distance`; needs loop.images_per_label); 0 adds none
    triplet: float = 0.0
    # keyword arguments of a pytorch-metric-learning loss
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimiserPart:
    """[optimiser]."""

    kind: Literal["sgd", "adamw"] = "sgd"  # "sgd" with momentum, or "adamw"
    lr: float = 0.001  # the learning rate after warm-up
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.0  # on weights; biases and norms are left alone
    # "constant", "cosine" down to zero at the last step, or "exponential": times `decay` every
    # `decay_every` steps
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    decay: float = 0.95  # of "exponential"
    decay_every: int = 1000  # steps; of "exponential"
    warmup: int = 0  # steps over which the learning rate rises from zero
    # decay of an average of the weights that is evaluated and kept instead; 0 for none
    ema: float = 0.0


@dataclass(frozen=True)
class LoopPart:
    """[loop]."""

    batch: int = 128  # triplets, pairs or (cross-entropy) images a step
    # K of P x K batches, in which each of P labels has K images and all are compared with all; 0
    # draws as the loss needs
    images_per_label: int = 0
    # at most this many; 0 takes the network of `model.start` or `model.weights` as it is
    steps: int = 20000
    evaluate_every: int = 100  # steps between two validations; also between saves
    patience: int = 20  # validations without improvement before training stops; 0 never stops early
    # "fp32"; "bf16" autocast; "auto": bf16 where the device computes it faster (2 to 4 times on
    # CPUs that have it, while others need 5 to 13 times as long). The run's `recipe.toml` says
    # which it was.
    precision: TrainPrecision = "fp32"
    channels_last: bool = True  # memory layout that convolutions like best
