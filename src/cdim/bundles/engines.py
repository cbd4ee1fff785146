"""What runs a bundle's graph: ONNX Runtime, or OpenVINO where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle
from cdim.errors import MissingExtra, ModelError, UsageError, first_line, nearest

ENGINES = ("auto", "onnxruntime", "openvino")

Run = Callable[[dict[str, NDArray[Any]], str], NDArray[np.float32]]
"""A graph that is ready to run: from its inputs and an output's name to that, float32 (n, d)."""


def start(bundle: Bundle, engine: str) -> tuple[str, Run]:
    """The engine's name and the graph, loaded into it.

    Raises:
        UsageError: an unknown engine.
        MissingExtra: OpenVINO is chosen and not installed.
        ModelError: a graph that cannot be loaded.
    """
    if engine not in ENGINES:
        raise UsageError(
            f"engine {engine!r}", f"it is one of {', '.join(ENGINES)}", nearest(engine, ENGINES)
        )
    if engine != "onnxruntime":
        try:
            return "openvino", _openvino(bundle)
        except ModuleNotFoundError as error:
            if error.name != "openvino":
                raise
            if engine == "openvino":
                raise MissingExtra(
                    "openvino is not installed",
                    "it comes with the extra [openvino]",
                    "pip install 'cdim[openvino]', or use engine='onnxruntime'",
                ) from None
    return "onnxruntime", _onnxruntime(bundle)


def _onnxruntime(bundle: Bundle) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(bundle.model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no common base of their own
        raise _damaged(bundle, error) from None

    return lambda inputs, output: session.run([output], inputs)[0]


def _openvino(bundle: Bundle) -> Run:
    import openvino

    try:
        # In full precision: left alone, it computes in bfloat16 where the CPU can.
        model = openvino.Core().compile_model(
            str(bundle.model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
    except RuntimeError as error:
        raise _damaged(bundle, error) from None

    # A request a call: they are not for several threads.
    return lambda inputs, output: model.create_infer_request().infer(inputs)[output]


def _damaged(bundle: Bundle, error: Exception) -> ModelError:
    return ModelError(
        f"cannot load {bundle.model} ({first_line(error)})",
        "it is the graph that an export wrote",
        "export the run again",
    )
