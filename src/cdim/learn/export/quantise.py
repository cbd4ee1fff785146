"""Fewer bits: weights kept in 16, or weights and activations in 8."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

BATCH = 32
LEAST = 1024
"""Numbers in a weight that is worth halving."""
LARGEST = float(np.finfo(np.float16).max)
SEEN = 1024
"""Training images that the ranges are measured on."""


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Gives ONNX Runtime the images, a batch at a time."""

    def __init__(self, inputs: dict[str, NDArray[Any]]) -> None:
        starts = range(0, len(inputs["images"]), BATCH)
        self._batches = iter([{k: v[i : i + BATCH] for k, v in inputs.items()} for i in starts])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch, None behind the last."""
        return next(self._batches, None)


def halve(path: Path) -> None:
    """Keeps the larger weights of an ONNX file in 16 bits: half the file. All is computed in 32."""
    model = onnx.load(str(path))
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        value = onnx.numpy_helper.to_array(weight)
        if value.dtype != np.float32 or value.size < LEAST or np.abs(value).max() > LARGEST:
            continue
        name, half = weight.name, f"{weight.name}_half"
        weight.CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float16), half))
        whole = f"{name}_whole"
        to = onnx.TensorProto.FLOAT
        casts.append(onnx.helper.make_node("Cast", [half], [name], whole, to=to))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def quantise(source: Path, target: Path, inputs: dict[str, NDArray[Any]]) -> None:
    """Writes a graph with 8-bit convolutions and matrix products.

    Weights are quantised per channel; what is between (pooling, joining, scaling to length one)
    stays as it is.

    Args:
        source: an ONNX file.
        target: the new graph's file.
        inputs: training images as the graph takes them.
    """
    prepared = target.with_suffix(".prepared.onnx")
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises what is being done
    try:
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Images(inputs),
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        root.setLevel(level)
        prepared.unlink(missing_ok=True)


def sample(n: int, most: int = SEEN) -> NDArray[np.int64]:
    """Rows of a fair, repeatable sample of n training images, ascending."""
    return np.sort(np.random.default_rng(0).permutation(n)[:most])
