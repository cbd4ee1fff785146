"""Backbone + fusion = one module that turns images into embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cdim.bundles.embeddings import Embeddings, similarity
from cdim.bundles.queries import listed, read_pixels
from cdim.data import images
from cdim.data.manifest import Manifest
from cdim.errors import ModelError, UsageError
from cdim.learn.networks import checkpoint
from cdim.learn.networks.backbones import Backbone
from cdim.learn.networks.fusion import Fusion, fusion_part
from cdim.learn.networks.taps import Maps, Tap, Vectors, check_tap
from cdim.learn.recipes.recipe import Recipe, parse_recipe

BATCH = 128
EMBEDDING = "embedding"
LOADED = 1024
"""Images of a manifest that are in memory at a time."""


class Embedder(nn.Module):
    """The network of a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.preprocess = recipe.input
        part, model = recipe.fusion, recipe.model
        self.backbone = Backbone(
            model.backbone, recipe.input.channels, recipe.input.crop, part.taps, model.last_stride
        )
        self.fusion = Fusion(self.backbone.taps, self.backbone.final, part)
        self.frozen = [self.backbone.part(name) for name in model.freeze]
        for module in self.frozen:
            module.requires_grad_(False)
        self.joined: Fusion | None = None

    @property
    def dim(self) -> int:
        """Dimensions of an embedding."""
        return self.fusion.dim if self.joined is None else self.joined.dim

    def join(self, taps: Sequence[str], pool: str = "average", normalise: str = "none") -> None:
        """Joins pooled middle maps to the embedding of a trained network, without any new layer.

        This is "Vanilla + fusion after training" of Table 8.

        Arguments and errors are those of `FusionPart`; `pool` is for all taps.
        """
        for tap in taps:
            check_tap(tap, self.backbone.taps, "join")
        self.backbone.watch(taps)
        layout = {**self.backbone.taps, EMBEDDING: Tap(self.fusion.dim, (1, 1))}
        part = fusion_part(taps=list(taps), pool=pool, normalise=normalise)
        self.joined = Fusion(layout, EMBEDDING, part)

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return self.recipe.seed

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, pixels: Maps) -> Vectors:
        """Normalised input to embeddings, float32."""
        looks = self.looks(pixels)
        embedding: Tensor = self.fusion(*looks)
        if self.joined is not None:
            embedding = self.joined(*({**outputs, EMBEDDING: embedding} for outputs in looks))
        return embedding

    def looks(self, pixels: Maps) -> list[Mapping[str, Tensor]]:
        """The backbone's maps and, with fusion.mirror outside training, those of mirror images."""
        mirrored = self.recipe.fusion.mirror and not self.training
        given = [pixels, pixels.flip(3)] if mirrored else [pixels]
        return [self.backbone(each) for each in given]

    def train(self, mode: bool = True) -> Embedder:
        """As in torch, but frozen modules keep their norms as well."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def embed(
        self, manifest: Manifest, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings (n, dim) of every image of a manifest.

        Raises:
            ImageError: an image cannot be read.
        """
        parts = [self.embed_stack(stack) for stack in self.load(manifest, LOADED, progress)]
        return np.concatenate([np.empty((0, self.dim), np.float32), *parts])

    def encode(self, source: Any) -> Embeddings:
        """Embeddings (n, dim) of images, as they are: a run knows no domains.

        What it takes and raises is as for `cdim.bundles.encoder.Encoder.encode`.
        """
        given, left_out = listed(source)
        found = np.empty((len(given), self.dim), dtype=np.float32)
        with images.Files() as opened:
            for start in range(0, len(given), BATCH):
                rows = slice(start, start + BATCH)
                pixels = [read_pixels(one, opened)[0] for _, one in given[rows]]
                found[rows] = self.embed_stack(np.stack([self.preprocess.load(p) for p in pixels]))
        return Embeddings(found, tuple(name for name, _ in given), left_out)

    similarity = staticmethod(similarity)

    def embed_stack(self, stack: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings (n, dim) of images (n, *resize, channels) that are loaded already.

        Always in float32, whatever precision the training ran in.
        """
        training = self.training
        self.eval()
        with torch.inference_mode():
            found = [self(pixels).cpu().numpy() for pixels in self.inputs(stack)]
        self.train(training)
        return np.concatenate(found)

    def load(
        self, manifest: Manifest, most: int, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Images of a manifest, uint8 (`most` or fewer, *resize, channels) at a time.

        Raises:
            ImageError: an image cannot be read.
        """
        for start in range(0, len(manifest), most):
            rows = range(start, min(start + most, len(manifest)))
            yield images.load_stack(manifest.take(rows), self.preprocess)
            if progress is not None:
                progress(rows.stop, len(manifest))

    def inputs(self, stack: NDArray[np.uint8], most: int = BATCH) -> Iterator[Tensor]:
        """Loaded images as the network takes them, `most` or fewer at a time."""
        for start in range(0, len(stack), most):
            yield self.on_device(torch.from_numpy(self.preprocess(stack[start : start + most])))

    def on_device(self, pixels: Tensor) -> Tensor:
        """A batch on the network's device, in the recipe's memory layout."""
        channels_last = self.recipe.loop.channels_last
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return pixels.to(device=self.device, memory_format=layout)


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        UsageError: a device that does not exist here.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    here = {"cpu": True, "cuda": cuda, "mps": mps}
    if name == "auto":
        name = next(d for d in ("cuda", "mps", "cpu") if here[d])
    if not here.get(name, False):
        raise UsageError(
            f"the device {name!r}",
            f"this machine has {', '.join(d for d, there in here.items() if there)}",
            "use one of them, or auto",
            argument="device",
        )
    return torch.device(name)


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes faster in bf16 than in fp32, as far as PyTorch can tell.

    On an x86 CPU that takes instructions of its own; without them it is emulated, several times
    slower than fp32. Where it was not measured (ARM, MPS) the answer is no.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # an older PyTorch
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def load_run(run: Path, device: str = "auto") -> Embedder:
    """The best network of a training run, from its folder.

    Raises:
        ModelError: the folder holds no run, or its checkpoint is damaged.
        UsageError: a device that does not exist here.
    """
    if not (run / "best.safetensors").is_file():
        raise ModelError(
            f"no best.safetensors in {run}",
            "a run is the folder of a training",
            "check the path, or train a recipe",
        )
    tensors, meta = checkpoint.read(run / "best.safetensors")
    embedder = Embedder(parse_recipe(meta["recipe"]))
    load_weights(embedder, checkpoint.select(tensors, "model."), run)
    return embedder.to(choose_device(device)).eval()


def load_weights(module: nn.Module, tensors: dict[str, Tensor], origin: Path) -> None:
    """Puts tensors into a module; every name and shape must match.

    Raises:
        ModelError: one does not.
    """
    own = module.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        have, want = tensors.get(name), own.get(name)
        if have is None or want is None or have.shape != want.shape:
            raise ModelError(
                f"{origin} has {_shape(have)} for {name!r}",
                f"the network here has {_shape(want)}",
                "use the recipe it was trained with, or name the layer in model.start_skip",
            )
    module.load_state_dict(tensors)


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else f"a tensor {tuple(tensor.shape)}"
