"""Puts a closed-form head into a bundle's ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cdim.bundles.bundle import Bundle
from cdim.bundles.encoder import Output
from cdim.bundles.heads import hubness
from cdim.bundles.heads.projection import Projection
from cdim.errors import ModelError

_EMBEDDING = "embedding"
_FLOAT = TensorProto.FLOAT
_HEAD = "cdimhead"


def put_head(
    base: Bundle, on: Output, head: Projection, path: Path, *, half: bool
) -> tuple[str, ...]:
    """Writes the graph of a bundle with `embedding` replaced by a head on an output.

    With `half` the head's matrices are kept in 16 bits, half the size; all is computed in 32.

    Returns:
        The names of the domains in the order of the numbers that the input `domain` takes; ()
        where the graph treats all alike.

    Raises:
        ModelError: the graph cannot be read, or is not one of cdim.
    """
    try:
        model = onnx.load(str(base.model), load_external_data=False)
    except Exception as error:  # protobuf's errors have no common base
        raise _strange(base, f"it cannot be read, {type(error).__name__}") from None
    graph = model.graph
    if _EMBEDDING not in {output.name for output in graph.output}:
        raise _strange(base, "it has no output embedding")
    # The graph may have heads already: each has names of its own.
    taken = {node.name.partition("_")[0] for node in graph.node if node.name.startswith(_HEAD)}
    prefix = next(f"{_HEAD}{n}_" for n in range(len(taken) + 1) if f"{_HEAD}{n}" not in taken)
    before = prefix + "given"
    for names in (names for node in graph.node for names in (node.input, node.output)):
        for place, name in enumerate(names):
            if name == _EMBEDDING:
                names[place] = before
    source = before if on == _EMBEDDING else on
    order = head.domains
    if on == _EMBEDDING and base.domain_input:
        order = base.domain_input
    elif len(order) > 1:
        order = tuple(sorted({*order, *base.domains.values()}))
    # A domain that the pairs did not show is placed in the middle of those that they did.
    known = dict(zip(head.domains, head.means, strict=True))
    means = np.stack([known.get(name, head.means.mean(0)) for name in order])
    asks = np.array([[name in head.asking] for name in order], dtype=np.float32)
    _append(graph, source, prefix, head, means, asks, half)
    inputs = {value.name for value in graph.input}
    if len(order) > 1 and "domain" not in inputs:
        batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param or "batch"
        graph.input.append(helper.make_tensor_value_info("domain", TensorProto.INT64, [batch]))
    _prune(graph)
    for output in graph.output:
        if output.name == _EMBEDDING:
            output.type.tensor_type.shape.dim[1].dim_value = head.dim
    # Shapes noted for the old graph no longer hold for what took its names.
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return order if len(order) > 1 else ()


def _append(
    graph: onnx.GraphProto,
    source: str,
    prefix: str,
    head: Projection,
    means: NDArray[np.float32],
    asks: NDArray[np.float32],
    half: bool,
) -> None:
    """Adds the head's nodes; each is one step of `cdim.bundles.heads.projection.apply`.

    `means` is (domains, d); `asks` (domains, 1) has ones where a domain's images are queries.
    """

    def constant(name: str, value: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(value, prefix + name))
        return prefix + name

    def node(kind: str, inputs: list[str], name: str, **options: Any) -> str:
        output = _EMBEDDING if name == _EMBEDDING else prefix + name
        graph.node.append(helper.make_node(kind, inputs, [output], prefix + name, **options))
        return output

    least = constant("least", np.array(1e-12, dtype=np.float32))
    last = constant("axis", np.array([1], dtype=np.int64))

    def unit(given: str, name: str) -> str:
        length = node("ReduceL2", [given, last], f"{name}_length", keepdims=1)
        floored = node("Max", [length, least], f"{name}_floored")
        return node("Div", [given, floored], name)

    x = source
    if head.rooted:
        roots = node("Sqrt", [node("Abs", [x], "size")], "root")
        x = unit(node("Mul", [node("Sign", [x], "sign"), roots], "signed"), "rooted")
    mean = constant("means", means)
    if len(means) > 1:
        mean = node("Gather", [mean, "domain"], "mean", axis=0)
    centred = node("Sub", [x, mean], "centred")

    def matrix(name: str, value: NDArray[np.float32]) -> str:
        if not half:
            return constant(name, value)
        return node("Cast", [constant(name, value.astype(np.float16))], f"{name}32", to=_FLOAT)

    short = node("MatMul", [centred, matrix("matrix", head.matrix)], "short")
    if head.bank is None:
        unit(short, _EMBEDDING)
        return
    short = unit(short, "unit")
    near = node("MatMul", [short, matrix("bank", np.ascontiguousarray(head.bank.T))], "near")
    k = constant("k", np.array([min(hubness.NEIGHBOURS, len(head.bank))], dtype=np.int64))
    nearest = prefix + "nearest"
    graph.node.append(helper.make_node("TopK", [near, k], [nearest, f"{nearest}_at"], nearest))
    hubs = node("ReduceMean", [nearest, last], "hubs", keepdims=1)
    one = constant("one", np.array(1, dtype=np.float32))
    ends = constant("low", np.array(-1, dtype=np.float32)), one
    hubs = node("Clip", [hubs, *ends], "clipped")
    asks_here = node("Gather", [constant("asks", asks), "domain"], "asks_here", axis=0)
    # A query is the opposite of a hub: hub -1 gives it (1, 0).
    shows = node("Sub", [one, asks_here], "shows")
    hubs = node("Sub", [node("Mul", [hubs, shows], "lowered"), asks_here], "told")
    rest = node("Sqrt", [node("Sub", [one, node("Mul", [hubs, hubs], "square")], "left")], "rest")
    beside = node("Concat", [node("Neg", [hubs], "against"), rest], "two", axis=1)
    scale = constant("beside", np.array(hubness.BESIDE, dtype=np.float32))
    scaled = node("Mul", [beside, scale], "scaled")
    unit(node("Concat", [short, scaled], "joined", axis=1), _EMBEDDING)


def _prune(graph: onnx.GraphProto) -> None:
    """Takes away what no output needs any more, such as an older head."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    kept.reverse()
    weights = [weight for weight in graph.initializer if weight.name in needed]
    inputs = [value for value in graph.input if value.name in needed]
    for field, left in ((graph.node, kept), (graph.initializer, weights), (graph.input, inputs)):
        del field[:]
        field.extend(left)


def _strange(base: Bundle, why: str) -> ModelError:
    return ModelError(
        f"no head can be put on {base.model} ({why})",
        "it is a graph that an export or an adaptation wrote",
        "copy the bundle again, or export the run again",
    )
