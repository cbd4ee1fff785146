"""A trained network as an ONNX graph: images in, `features` and `embedding` out."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cdim.bundles import finish
from cdim.bundles.bundle import Bundle
from cdim.bundles.encoder import BATCH, Encoder, Output
from cdim.bundles.heads.projection import Projection, apply
from cdim.data.manifest import Manifest
from cdim.errors import ModelError, RecipeError, first_line
from cdim.learn.export.quantise import sample
from cdim.learn.networks.embedder import Embedder
from cdim.learn.networks.fusion import GRIDS, Fusion

MOST_FEATURES = 16_384
OPSET = 18
COMPARED = 200
"""Training images that graph and network are compared on."""


class Graph(nn.Module):
    """The network that is exported, without any head.

    `features` is the fused vector before a trained projection. Where it would have more than
    `MOST_FEATURES` dimensions, flattened maps are averaged over the finest grid that fits.
    `embedding` is what the network was trained to compare.

    Raises:
        RecipeError: features that do not fit however they are pooled.
    """

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder
        self.features = _features(embedder)

    @property
    def features_dim(self) -> int:
        """Dimensions of `features`."""
        return self.embedder.fusion.dim if self.features is None else self.features.dim

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images (n, c, h, w) to features (n, d) and embeddings (n, dim)."""
        looks = self.embedder.looks(images)
        embedding = self.embedder.fusion(*looks)
        return embedding if self.features is None else self.features(*looks), embedding


def write(graph: Graph, path: Path) -> None:
    """Writes the graph as one ONNX file with weights inside; the batch size is free.

    Raises:
        ModelError: the network has an operation that ONNX lacks.
    """
    preprocess = graph.embedder.preprocess
    images = torch.zeros(2, preprocess.channels, *preprocess.crop)
    graph = graph.cpu().eval()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of deprecations inside the exporter
            torch.onnx.export(
                graph,
                (images,),
                path,
                input_names=["images"],
                output_names=["features", "embedding"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ModelError(
            f"cannot export {graph.embedder.recipe.model.backbone} ({first_line(error)})",
            "every operation of the network must exist in ONNX",
            "use another backbone, or a newer torch",
        ) from None
    _forget_origins(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if isinstance(session.get_inputs()[0].shape[0], int):
        raise ModelError(
            f"the graph of {graph.embedder.recipe.model.backbone} takes batches of one size only",
            "a bundle takes any number of images",
            "use another backbone, or a newer torch",
        )


def check(made: Bundle, network: Graph, head: Projection | None, manifest: Manifest) -> None:
    """`finish.check` that the graph gives what PyTorch's network gives, and NumPy's head on it."""
    some = manifest.take(sample(len(manifest), COMPARED))
    images = torch.from_numpy(Encoder(made, "onnxruntime").inputs(some)["images"])
    with torch.inference_mode():
        parts = [network(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
    features, embedding = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    if head is not None:
        embedding = apply(head, embedding, some.domain)
    wanted: dict[Output, NDArray[np.float32]] = {"features": features, "embedding": embedding}
    finish.check(made, some, wanted, half=made.precision == "fp16")


def _forget_origins(path: Path) -> None:
    """Removes what the exporter notes of every node: stack traces, with this machine's paths."""
    model = onnx.load(path)
    graph = model.graph
    inner = [node for function in model.functions for node in function.node]
    named = [*graph.input, *graph.output, *graph.value_info, *graph.initializer]
    for part in (model, graph, *model.functions, *graph.node, *inner, *named):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def _features(embedder: Embedder) -> Fusion | None:
    """The fusion of what comes before any projection; None where that is the embedding."""
    trained = embedder.fusion
    if trained.project is None and trained.dim <= MOST_FEATURES:
        return None
    part = embedder.recipe.fusion
    taps, final = embedder.backbone.taps, embedder.backbone.final
    for name in ["flatten", *sorted(GRIDS, key=lambda name: -GRIDS[name])]:
        fitted: Any = tuple(name if pool == "flatten" else pool for pool in part.pools)
        fusion = Fusion(taps, final, replace(part, pool=fitted, project=0))
        if fusion.dim <= MOST_FEATURES:
            learned = trained.state_dict().items()  # exponents of pooling come along
            fusion.load_state_dict({k: v for k, v in learned if k.startswith("pools.")})
            return fusion
    raise RecipeError(
        f"fusion.taps = {list(part.taps)}, pooled to more than {MOST_FEATURES} dimensions",
        f"features have at most {MOST_FEATURES}",
        "fuse fewer taps, or pool them to a coarser grid",
    )
