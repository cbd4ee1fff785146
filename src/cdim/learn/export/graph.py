"""A trained network as an ONNX graph: images in, `features` and `embedding` out."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cdim.bundles.heads import hubness
from cdim.bundles.heads.projection import Projection
from cdim.errors import ModelError, RecipeError, first_line
from cdim.learn.networks.embedder import Embedder
from cdim.learn.networks.fusion import GRIDS, Fusion, rooted, unit

MOST_FEATURES = 16_384
OPSET = 18


class Graph(nn.Module):
    """What is exported.

    `features` is the fused vector before any projection. Where it would have more than
    `MOST_FEATURES` dimensions, flattened maps are averaged over the finest grid that fits.
    `embedding` is what the network was trained to compare, or a projection of it.

    Args:
        embedder: the trained network.
        projection: makes the embedding shorter, or None.

    Raises:
        RecipeError: features that do not fit however they are pooled.
    """

    means: Tensor
    matrix: Tensor
    bank: Tensor
    asks: Tensor

    def __init__(self, embedder: Embedder, projection: Projection | None = None) -> None:
        super().__init__()
        self.embedder = embedder
        self.features = _features(embedder)
        self.domains = () if projection is None else projection.domains
        self.rooted = projection is not None and projection.rooted
        if projection is not None:
            self.register_buffer("means", torch.from_numpy(projection.means))
            self.register_buffer("matrix", torch.from_numpy(projection.matrix))
        self.lowers = projection is not None and projection.bank is not None
        if projection is not None and projection.bank is not None:
            asks = [[float(name in projection.asking)] for name in projection.domains]
            self.register_buffer("bank", torch.from_numpy(projection.bank))
            self.register_buffer("asks", torch.tensor(asks))

    @property
    def dim(self) -> int:
        """Dimensions of `embedding`."""
        if not self.domains:
            return self.embedder.dim
        return int(self.matrix.shape[1]) + (hubness.DIMS if self.lowers else 0)

    @property
    def features_dim(self) -> int:
        """Dimensions of `features`."""
        return self.embedder.fusion.dim if self.features is None else self.features.dim

    @property
    def takes_domain(self) -> bool:
        """Whether domains are treated differently."""
        return len(self.domains) > 1

    def forward(self, images: Tensor, domain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Normalised images (n, c, h, w), domain numbers (n,), to features and embeddings."""
        looks = self.embedder.looks(images)
        embedding = self.embedder.fusion(*looks)
        features = embedding if self.features is None else self.features(*looks)
        if self.domains:
            mean = self.means[0] if domain is None else self.means[domain]
            given = rooted(embedding) if self.rooted else embedding
            embedding = unit((given - mean) @ self.matrix)
            if self.lowers:
                embedding = _lower(embedding, self.asks[domain], self.bank)
        return features, embedding


def _lower(vectors: Tensor, asks: Tensor, bank: Tensor) -> Tensor:
    """As `cdim.bundles.heads.hubness.lower`; asks is (n, 1), ones for queries."""
    near = (vectors @ bank.T).topk(min(hubness.NEIGHBOURS, len(bank)), dim=1).values
    hubs = near.mean(1, keepdim=True).clamp(-1, 1) * (1 - asks) - asks
    beside = torch.cat([-hubs, (1 - hubs.square()).sqrt()], 1)
    return unit(torch.cat([vectors, hubness.BESIDE * beside], 1))


def write(graph: Graph, path: Path) -> None:
    """Writes the graph as one ONNX file with weights inside; the batch size is free.

    Raises:
        ModelError: the network has an operation that ONNX lacks.
    """
    preprocess = graph.embedder.preprocess
    images = torch.zeros(2, preprocess.channels, *preprocess.crop)
    arguments: tuple[Tensor, ...] = (images,)
    if graph.takes_domain:
        arguments += (torch.zeros(2, dtype=torch.int64),)
    names = ["images", "domain"][: len(arguments)]
    graph = graph.cpu().eval()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of deprecations inside the exporter
            torch.onnx.export(
                graph,
                arguments,
                path,
                input_names=names,
                output_names=["features", "embedding"],
                dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in arguments),
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
    pools = [part.pool] * len(part.taps) if isinstance(part.pool, str) else list(part.pool)
    finest = ["flatten", *sorted(GRIDS, key=lambda name: -GRIDS[name])]
    for name in finest:
        fitted = [name if pool == "flatten" else pool for pool in pools]
        fusion = Fusion(
            embedder.backbone.taps,
            embedder.backbone.final,
            part.taps,
            fitted,
            0,
            part.normalise,
            part.final,
        )
        if fusion.dim <= MOST_FEATURES:
            # Learned exponents of pooling come along.
            fusion.load_state_dict(
                {k: v for k, v in trained.state_dict().items() if k.startswith("pools.")}
            )
            return fusion
    raise RecipeError(
        f"fusion.taps = {list(part.taps)}, pooled to more than {MOST_FEATURES} dimensions",
        f"features have at most {MOST_FEATURES}",
        "fuse fewer taps, or pool them to a coarser grid",
    )
