"""The one training loop: batch, loss, step, log, evaluate, save.

Everything random in step k comes from generators made of (seed, k), so that a resumed run repeats,
bit for bit on a CPU, what an uninterrupted one does.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from cdim.errors import ModelError, TrainingError
from cdim.learn.networks import checkpoint
from cdim.learn.networks.embedder import Embedder, load_weights
from cdim.learn.recipes.parts import LoopPart, OptimiserPart
from cdim.learn.recipes.recipe import Recipe, parse_recipe
from cdim.learn.training.augment import augment
from cdim.learn.training.batches import Batch, ImageCache, Sampler
from cdim.learn.training.log import Log
from cdim.learn.training.norms import measure_norms

Evaluate = Callable[[Embedder], Mapping[str, float]]
"""Judges a network on the validation part; higher "score" is better."""

NORM_BATCHES = 16
"""Training batches that batch norms are measured on before each look."""


@dataclass
class Progress:
    """Where a run is."""

    step: int = 0  # steps done
    best: float = -math.inf  # best validation score so far
    best_step: int = 0  # when that was
    waited: int = 0  # validations since then

    def is_over(self, loop: LoopPart) -> bool:
        """Whether all steps are done, or patience is."""
        return self.step >= loop.steps or 0 < loop.patience <= self.waited


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Turns Ctrl-C (SIGINT) and SIGTERM into entries of a list, read after the current step."""
    received: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {s: signal.signal(s, lambda number, _frame: received.append(number)) for s in signals}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(eq=False)
class Trainer:
    """A network, its loss on the same device, and its optimiser: all that a checkpoint holds."""

    recipe: Recipe
    embedder: Embedder
    criterion: nn.Module
    folder: Path

    def __post_init__(self) -> None:
        self.optimiser = _optimiser(self.recipe.optimiser, [self.embedder, self.criterion])
        self.average: AveragedModel | None = None
        if decay := self.recipe.optimiser.ema:
            mean = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.embedder, multi_avg_fn=mean)
        self.progress = Progress()

    @property
    def judged(self) -> Embedder:
        """The network that is evaluated and kept: the average where there is one."""
        if self.average is None:
            return self.embedder
        return cast("Embedder", self.average.module)

    def fit(self, cache: ImageCache, sample: Sampler, evaluate: Evaluate | None) -> None:
        """Trains until the recipe's steps are done or, with `evaluate`, judging stops improving.

        Raises:
            TrainingError: the loss is not a number, or a checkpoint cannot be written.
            KeyboardInterrupt: after Ctrl-C, once the run's state is saved.
        """
        loop, progress = self.recipe.loop, self.progress
        bar = tqdm(total=loop.steps, initial=progress.step, unit="step", desc=self.recipe.name)
        with closing(Log(self.folder, progress.step)) as log, interrupts() as received, bar:
            while not progress.is_over(loop):
                started = time.monotonic()
                loss = self._step(cache, sample)
                progress.step += 1
                log.write(progress.step, {"loss": loss, "seconds": time.monotonic() - started})
                bar.update()
                shown = {"loss": loss, "best": progress.best}
                bar.set_postfix(
                    {k: f"{v:.4f}" for k, v in shown.items() if math.isfinite(v)}, refresh=False
                )
                if progress.step % loop.evaluate_every == 0 or progress.step == loop.steps:
                    self._look(cache, sample, evaluate, log)
                if received:
                    self.save()
                    raise KeyboardInterrupt
            if not loop.steps:
                self._look(cache, sample, evaluate, log)

    def _step(self, cache: ImageCache, sample: Sampler) -> float:
        recipe, device = self.recipe, self.embedder.device
        rng = np.random.default_rng((recipe.seed, self.progress.step))
        torch.manual_seed(int(rng.integers(2**63)))
        batch, pixels = self._draw(cache, sample, rng)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe.optimiser, recipe.loop.steps, self.progress.step)
        self.embedder.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.loop.precision == "bf16"):
            embeddings = self.embedder(pixels)
        loss: Tensor = self.criterion(embeddings.float(), batch)
        value = loss.item()
        if not math.isfinite(value):
            raise self._diverged(f"the loss is {value} at step {self.progress.step + 1}", "loss")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.embedder)
        return value

    def _draw(
        self, cache: ImageCache, sample: Sampler, rng: np.random.Generator
    ) -> tuple[Batch, Tensor]:
        """A step's batch, and its images as the network takes them."""
        batch = sample(rng)
        pixels = augment(
            cache[batch.rows], batch.group, self.recipe.augment, self.embedder.preprocess, rng
        )
        return batch, self.embedder.on_device(pixels)

    def _check_weights(self) -> None:
        """Keeps a step that spoiled the weights from reaching a checkpoint."""
        if not all(bool(p.isfinite().all()) for p in self.embedder.parameters()):
            given = f"a weight is not a number after step {self.progress.step}"
            raise self._diverged(given, "weights")

    def _diverged(self, given: str, needed: str) -> TrainingError:
        return TrainingError(
            f"{given} of {self.folder}",
            f"training needs finite {needed}",
            "lower optimiser.lr or add optimiser.warmup; the checkpoints so far are intact",
        )

    def _look(
        self, cache: ImageCache, sample: Sampler, evaluate: Evaluate | None, log: Log
    ) -> None:
        """One look at the validation part; the best network so far is kept."""
        progress = self.progress
        self._check_weights()
        if progress.step:  # frozen layers keep the norms they came with
            rng = np.random.default_rng((self.recipe.seed, progress.step, NORM_BATCHES))
            drawn = (self._draw(cache, sample, rng)[1] for _ in range(NORM_BATCHES))
            measure_norms(self.judged, drawn)
        if evaluate is None:
            self._save_best({})
        else:
            found = evaluate(self.judged)
            progress.waited += 1
            if found["score"] > progress.best:
                progress.best, progress.best_step = found["score"], progress.step
                progress.waited = 0
                self._save_best(found)
            log.write(progress.step, {f"validation/{k}": v for k, v in found.items()})
        self.save()

    def _save_best(self, found: Mapping[str, float]) -> None:
        tensors = {f"model.{k}": v for k, v in self.judged.state_dict().items()}
        told = {"step": self.progress.step, "validation": dict(found)}
        meta = {"recipe": self.recipe.to_dict(), **told}
        checkpoint.write(self.folder / "best.safetensors", tensors, meta)

    def save(self) -> None:
        """Writes all that `resume` needs to `last.safetensors`."""
        self._check_weights()
        modules = self._modules().items()
        tensors = {f"{part}.{k}": v for part, m in modules for k, v in m.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors.update({f"optimiser.{index}.{k}": v for k, v in state.items()})
        meta = {"recipe": self.recipe.to_dict(), "progress": vars(self.progress)}
        checkpoint.write(self.folder / "last.safetensors", tensors, meta)

    def resume(self) -> None:
        """Goes on where `last.safetensors` stops.

        Raises:
            ModelError: it is missing, damaged, or of another recipe.
        """
        path = self.folder / "last.safetensors"
        tensors, meta = checkpoint.read(path)
        before = parse_recipe(meta["recipe"]).to_dict()  # younger keys at their defaults
        changed = [k for k, v in self.recipe.to_dict().items() if k != "loop" and before[k] != v]
        if changed:
            raise ModelError(
                f"{path} was trained with other values of {', '.join(changed)}",
                "a run resumes with its own recipe (only [loop] may change)",
                "undo the change, or train into another folder",
            )
        for part, module in self._modules().items():
            load_weights(module, checkpoint.select(tensors, f"{part}."), path)
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in checkpoint.select(tensors, "optimiser.").items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})
        self.progress = Progress(**meta["progress"])

    def _modules(self) -> dict[str, nn.Module]:
        """What has weights, by the name in a checkpoint."""
        average = {} if self.average is None else {"average": self.average}
        return {"model": self.embedder, "criterion": self.criterion, **average}


def is_over(folder: Path) -> bool:
    """Whether a run's folder holds a run that was trained to its end.

    Raises:
        ModelError: its checkpoint is damaged.
    """
    if not all((folder / f"{name}.safetensors").is_file() for name in ("best", "last")):
        return False
    _, meta = checkpoint.read(folder / "last.safetensors")
    return Progress(**meta["progress"]).is_over(parse_recipe(meta["recipe"]).loop)


def learning_rate(part: OptimiserPart, steps: int, step: int) -> float:
    """The learning rate of a step (from 0), a pure function of the recipe.

    >>> part = OptimiserPart(lr=1.0, schedule="cosine", warmup=2)
    >>> [round(learning_rate(part, 6, step), 3) for step in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < part.warmup:
        return part.lr * (step + 1) / part.warmup
    if part.schedule == "constant":
        return part.lr
    if part.schedule == "exponential":
        return float(part.lr * part.decay ** (step // part.decay_every))
    share = (step - part.warmup) / max(steps - part.warmup, 1)
    return part.lr * (1 + math.cos(math.pi * share)) / 2


def _optimiser(part: OptimiserPart, modules: list[nn.Module]) -> torch.optim.Optimizer:
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": part.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if part.kind == "sgd":
        return torch.optim.SGD(groups, lr=part.lr, momentum=part.momentum)
    return torch.optim.AdamW(groups, lr=part.lr)
