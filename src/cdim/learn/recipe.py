"""A training recipe: strict, typed, read from TOML.

Every key of the file is a field below; a key that is not is an error that names
the nearest one. Nothing is inherited and nothing has two spellings.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cdim.data.preprocess import Preprocess
from cdim.errors import RecipeError, nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Rule = tuple[str, Callable[[Any], bool]]
_LISTED = ("annotated", "random")
Pool = Literal["flatten", "average", "gem", "grid2", "grid3", "grid4", "grid8"]


@dataclass(frozen=True)
class DataPart:
    """[data]: what is trained on.

    Args:
        train: dataset names or paths, joined; only their train split is used, or all of a
            set in which no image names a split.
        validation: share of the train instances held out for early stopping, in [0, 1).
            0 trains on all of them for the full number of steps.
        validation_seed: which instances those are; the same for every training seed.
        target: what the loss tells apart: instances, or whole categories.
    """

    train: tuple[str, ...]
    validation: float = 0.15
    validation_seed: int = 0
    target: Literal["instance", "category"] = "instance"


@dataclass(frozen=True)
class InputPart:
    """[input]: see `cdim.data.preprocess.Preprocess`; sizes are (height, width)."""

    resize: tuple[int, int] = (256, 256)
    crop: tuple[int, int] = (225, 225)
    channels: int = 1
    mean: tuple[float, ...] = (250.42,)
    std: tuple[float, ...] = (1.0,)

    def preprocess(self) -> Preprocess:
        """These values as the one preprocessing object."""
        return Preprocess(**dataclasses.asdict(self))


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
            installed Python package, or "" for none; see `cdim.learn.weights`.
        freeze: modules of the backbone, by dotted name, that keep their weights and norms.
        neck: "bn" puts a batch norm between the fused vector, which losses over distances
            compare, and the classifier (BNNeck, Luo et al., CVPRW 2019); the embedding is then
            its output scaled to length one. "none": the fused vector is the embedding.
        start: an earlier stage's run to take the backbone's weights from: the name of a run
            beside this one, or a path. A run `<name>-<seed>` that is missing is trained first
            if its recipe `<name>.toml` lies beside this one. "" starts from random weights.
        start_skip: backbone layers not taken from it, by a part of their name, e.g. "fc7".
    """

    backbone: str = "sketch-a-net"
    last_stride: Literal[1, 2] = 2
    weights: str = ""
    freeze: tuple[str, ...] = ()
    neck: Literal["none", "bn"] = "none"
    start: str = ""
    start_skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class FusionPart:
    """[fusion]: see `cdim.learn.fusion.Fusion`.

    Args:
        taps: middle maps that join the final feature, for a timm network any module by its
            dotted name ("layer4.0" of ResNet-50 is res5a); () is the paper's "Vanilla".
        pool: one way of pooling for all taps, or one a tap.
        project: size of one linear layer behind the joined taps; 0 for none.
        normalise: "l2" scales each part to length one before joining (FG-SBIR), "none" (ReID).
    """

    taps: tuple[str, ...] = ()
    pool: Pool | tuple[Pool, ...] = "flatten"
    project: int = 0
    normalise: Literal["l2", "none"] = "l2"


@dataclass(frozen=True)
class LossPart:
    """[loss]: what is minimised.

    Args:
        kind: "triplet" (Eq. 2), "cross-entropy" over the targets, or the class name of a
            pytorch-metric-learning loss that compares two sides or learns classes.
        margin: of the triplet loss, in units of the distance.
        distance: of the triplet loss: "euclidean" as the paper, "squared" as its code.
        negatives: which triplets a batch makes: "annotated" by people, "random" photos,
            every other photo "in-batch", or only the nearest ("batch-hard").
        hard_share: with "annotated", the share of triplets taken from the annotations; the
            rest pairs the true match with a random photo.
        smoothing: label smoothing of "cross-entropy": the share of certainty taken away.
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
            are compared with all; 0 draws as the loss asks.
        steps: at most this many.
        evaluate_every: steps between two looks at the validation part; also between saves.
        patience: looks without improvement before training stops; 0 never stops early.
        precision: "fp32", or "bf16" autocast (about 2 to 4 times faster on CPUs that have it).
        channels_last: memory layout that convolutions like best.
    """

    batch: int = 128
    images_per_label: int = 0
    steps: int = 20000
    evaluate_every: int = 100
    patience: int = 20
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; see the parts for their keys."""

    name: str
    data: DataPart
    seed: int = 0
    input: InputPart = field(default_factory=InputPart)
    augment: AugmentPart = field(default_factory=AugmentPart)
    model: ModelPart = field(default_factory=ModelPart)
    fusion: FusionPart = field(default_factory=FusionPart)
    loss: LossPart = field(default_factory=LossPart)
    optimiser: OptimiserPart = field(default_factory=OptimiserPart)
    loop: LoopPart = field(default_factory=LoopPart)

    def __post_init__(self) -> None:
        _in_range(self)
        _fits_together(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, every default written out, ready for TOML or JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}


def read(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Reads a recipe.

    Args:
        path: a TOML file.
        overrides: "part.key=value" each, values written as in TOML (a bare word is a string).
        seed: replaces the recipe's seed.

    Raises:
        RecipeError: no such file, not TOML, an unknown key, a value of the wrong type or
            out of range.
    """
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(
            f"cannot read the recipe {path} ({error})",
            "a recipe is a TOML file",
            "see recipes/ for examples",
        ) from None
    for override in overrides:
        _override(table, override)
    if seed is not None:
        table["seed"] = seed
    return parse(table)


def parse(table: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values, as `Recipe.to_dict` gives them.

    Raises:
        RecipeError: as `read`.
    """
    recipe: Recipe = _build(Recipe, table, "")
    return recipe


def _override(table: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    parts = [p.strip() for p in key.split(".")]
    if not equals or not all(parts):
        raise RecipeError(
            f"--set {text!r}", "an override is part.key=value", "e.g. --set loss.margin=0.2"
        )
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(
                f"--set {text!r}", f"{part!r} is a value and has no keys", "name a key of a part"
            )
    try:
        table[parts[-1]] = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        table[parts[-1]] = value.strip()


def _build(cls: Any, table: Any, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise RecipeError(
            f"{where} = {table!r}", f"[{where}] is a table of keys", f"write [{where}]"
        )
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            raise RecipeError(
                f"unknown key {f'{where}.{key}' if where else key!r} in the recipe",
                f"{f'[{where}]' if where else 'a recipe'} has the keys {', '.join(hints)}",
                nearest(str(key), hints),
            )
    values = {}
    for spec in dataclasses.fields(cls):
        name = f"{where}.{spec.name}" if where else spec.name
        if spec.name in table:
            values[spec.name] = _value(hints[spec.name], table[spec.name], name)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise RecipeError(f"no {name} in the recipe", f"{name} is required", "add it")
    return cls(**values)


def _value(hint: Any, value: Any, name: str) -> Any:
    """`value` as the annotated type, or an error that says what the type is."""
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, name)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        tuples = [a for a in arguments if get_origin(a) is tuple]
        plain = [a for a in arguments if get_origin(a) is not tuple]
        return _value(tuples[0] if isinstance(value, list | tuple) else plain[0], value, name)
    if origin is Literal:
        if value not in arguments:
            raise RecipeError(
                f"{name} = {value!r}",
                f"it is one of {', '.join(map(repr, arguments))}",
                nearest(str(value), map(str, arguments)),
            )
        return value
    if origin is tuple:
        many = arguments[-1] is Ellipsis
        if not isinstance(value, list | tuple) or (not many and len(value) != len(arguments)):
            size = "" if many else f" of {len(arguments)} values"
            raise RecipeError(f"{name} = {value!r}", f"it is a list{size}", "write it in [ ]")
        return tuple(_value(arguments[0], v, f"{name}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{name} = {value!r}", "it is a table", f"write [{name}]")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
        raise RecipeError(f"{name} = {value!r}", f"it is {words[hint]}", "change its value")
    return value


def _in_range(recipe: Recipe) -> None:
    """Values that have the right type and still cannot be."""
    probability: Rule = ("from 0 to 1", lambda v: 0 <= v <= 1)
    below_one: Rule = ("from 0 to below 1", lambda v: 0 <= v < 1)
    not_negative: Rule = ("0 or more, and finite", lambda v: 0 <= v < math.inf)
    positive: Rule = ("above 0, and finite", lambda v: 0 < v < math.inf)
    rules: dict[str, Rule] = {
        "seed": ("from 0 to below 2**63", lambda v: 0 <= v < 2**63),
        "data.validation": below_one,
        "data.validation_seed": not_negative,
        "augment.flip": probability,
        "augment.erase": below_one,
        "augment.erase_chance": probability,
        "augment.thicken": probability,
        "augment.scale": below_one,
        "augment.rotate": ("from 0 to 180", lambda v: 0 <= v <= 180),
        "augment.shift": below_one,
        "augment.elastic": below_one,
        "fusion.project": not_negative,
        "loss.margin": not_negative,
        "loss.hard_share": probability,
        "loss.smoothing": below_one,
        "loss.triplet": not_negative,
        "optimiser.decay": ("above 0 and at most 1", lambda v: 0 < v <= 1),
        "optimiser.decay_every": positive,
        "optimiser.lr": ("above 0 and finite", lambda v: 0 < v < float("inf")),
        "optimiser.momentum": below_one,
        "optimiser.weight_decay": not_negative,
        "optimiser.warmup": not_negative,
        "optimiser.ema": below_one,
        "loop.batch": ("2 or more", lambda v: v >= 2),
        "loop.images_per_label": ("0, or 2 or more", lambda v: v == 0 or v >= 2),
        "loop.steps": positive,
        "loop.evaluate_every": positive,
        "loop.patience": not_negative,
    }
    for name, (words, holds) in rules.items():
        value: Any = recipe
        for part in name.split("."):
            value = getattr(value, part)
        if not holds(value):
            raise RecipeError(f"{name} = {value}", f"it is {words}", "change its value")
    if not recipe.data.train:
        raise RecipeError(
            "data.train = []", "at least one dataset is needed", "see `cdim data list`"
        )
    if not isinstance(recipe.fusion.pool, str) and len(recipe.fusion.pool) != len(
        recipe.fusion.taps
    ):
        raise RecipeError(
            f"fusion.pool = {list(recipe.fusion.pool)} for the taps {list(recipe.fusion.taps)}",
            "it is one value, or one a tap",
            "make the two lists equally long",
        )


def _fits_together(recipe: Recipe) -> None:
    """Values that cannot be beside each other."""
    loss, loop = recipe.loss, recipe.loop
    if loop.images_per_label and loop.batch % loop.images_per_label:
        each = loop.images_per_label
        raise RecipeError(
            f"loop.batch = {loop.batch} with loop.images_per_label = {each}",
            "a batch of P x K images is a multiple of K",
            f"use loop.batch = {max(2, loop.batch // each) * each}",
        )
    if loop.images_per_label and loss.kind == "triplet" and loss.negatives in _LISTED:
        raise RecipeError(
            f'loop.images_per_label with loss.negatives = "{loss.negatives}"',
            'P x K batches compare all with all: "in-batch" or "batch-hard"',
            "change loss.negatives, or set loop.images_per_label = 0",
        )
    if loss.triplet and (loss.kind != "cross-entropy" or not loop.images_per_label):
        raise RecipeError(
            f"loss.triplet = {loss.triplet} with loss.kind = {loss.kind!r} and "
            f"loop.images_per_label = {loop.images_per_label}",
            'it is added to "cross-entropy", over P x K batches',
            "set loop.images_per_label = 4, or loss.triplet = 0",
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value
