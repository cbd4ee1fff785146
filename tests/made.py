"""Small bundles for tests: their vectors can be told by a reader, and need no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cdim.bundles.bundle import MODEL, Bundle, TrainingSet, save_bundle
from cdim.data.preprocess import Preprocess

SIDE = 16
COLOURS = Preprocess(
    resize=(SIDE, SIDE),
    crop=(SIDE, SIDE),
    channels=3,
    mean=(0.0, 0.0, 0.0),
    std=(255.0, 255.0, 255.0),
)


def mean_colours(folder: Path, nodes: Sequence[onnx.NodeProto] = (), **changes: object) -> Bundle:
    """A bundle whose features are the mean of red, green and blue (0 to 1).

    The embedding is the same; with `domain_input`, less a half for domain number 1; with `nodes`,
    what they make of `features`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Bundle(
        name="mean colours",
        preprocess=COLOURS,
        features=3,
        dim=3,
        backbone="none",
        taps=(),
        query="sketch",
        gallery="photo",
        domains={"sketch": "sketch", "photo": "photo"},
        training=(TrainingSet("nothing", "free"),),
    )
    made = made.__class__(**{**made.__dict__, **changes})
    _graph(folder / MODEL, bool(made.domain_input), nodes)
    return save_bundle(made, folder)


def _graph(path: Path, by_domain: bool, last: Sequence[onnx.NodeProto]) -> None:
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    inputs = [images]
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    initial = []
    if by_domain:
        inputs.append(helper.make_tensor_value_info("domain", TensorProto.INT64, ["batch"]))
        means = np.array([[0, 0, 0], [0.5, 0.5, 0.5]], dtype=np.float32)
        initial.append(numpy_helper.from_array(means, "means"))
        nodes.append(helper.make_node("Gather", ["means", "domain"], ["mean"]))
        nodes.append(helper.make_node("Sub", ["features", "mean"], ["embedding"]))
    else:
        nodes.extend(last or [helper.make_node("Identity", ["features"], ["embedding"])])
    outputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 3]),
        # What other nodes make has any shape and type.
        onnx.ValueInfoProto(name="embedding")
        if last
        else helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 3]),
    ]
    graph = helper.make_graph(nodes, "mean colours", inputs, outputs, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
