"""Whether an exported graph gives what the network gives, on real images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cdim.bundles import encoder
from cdim.bundles.bundle import Bundle
from cdim.bundles.encoder import Encoder
from cdim.data.manifest import Manifest
from cdim.errors import ModelError
from cdim.learn.export.graph import Graph
from cdim.learn.export.quantise import sample
from cdim.metrics.distances import distances

SEEN = 200
"""Training images that graph and network are compared on."""
BATCH = 32
TOP = 10
OUTPUTS: tuple[encoder.Output, ...] = ("features", "embedding")
COSINE = 0.9999
TIE = {"fp32": 1e-4, "fp16": 1e-2}
"""Distances that are one, by the precision of the graph: engines round float32 up to 3e-5 apart."""


def check(made: Bundle, module: Graph, manifest: Manifest) -> None:
    """The graph gives what the network gives, on real images.

    Raises:
        ModelError: a vector differs by more than `COSINE`, or one of the ten nearest is another,
            equally near within `TIE` excepted.
    """
    some = manifest.take(sample(len(manifest), SEEN))
    running = Encoder(made, "onnxruntime")
    given = running.inputs(some)
    wanted = _network(module, given)
    for output, vectors in zip(OUTPUTS, wanted, strict=True):
        ours = running.embed(some, output=output)
        cosine = _cosine(ours, vectors)
        if cosine.min() < COSINE:
            raise ModelError(
                f"{output} of the exported graph differ from the network's "
                f"(cosine {cosine.min():.6f} of {some.source[int(cosine.argmin())]})",
                f"each has at least {COSINE}",
                "export with another version of torch or onnx",
            )
        apart, graph_apart = distances(vectors, vectors), distances(ours, ours)
        order, graph_order = (np.argsort(d, axis=1)[:, :TOP] for d in (apart, graph_apart))
        rows = np.arange(len(some))[:, None]
        gap = np.abs(apart[rows, order] - apart[rows, graph_order])
        wrong = gap > TIE[made.precision]
        if wrong.any():
            raise ModelError(
                f"the nearest by {output} of the exported graph differ from the network's, "
                f"for {some.source[int(np.flatnonzero(wrong.any(axis=1))[0])]}",
                f"the first {TOP} are the same",
                "export with another version of torch or onnx",
            )


def _network(module: Graph, inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Features and embeddings by PyTorch."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs["images"]), BATCH):
            tensors = [torch.from_numpy(v[start : start + BATCH]) for v in inputs.values()]
            parts.append([output.numpy() for output in module(*tensors)])
    return [np.concatenate(output) for output in zip(*parts, strict=True)]


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    cosine: NDArray[np.float64] = np.einsum("ij,ij->i", x, y) / np.maximum(lengths, 1e-30)
    return cosine
