"""What runs a bundle's graph: ONNX Runtime, or OpenVINO where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import Bundle
from cdim.errors import MissingExtra, ModelError, UsageError, nearest

ENGINES = ("auto", "onnxruntime", "openvino")

Run = Callable[[dict[str, NDArray[Any]], list[str]], list[NDArray[np.float32]]]
"""A graph that is ready to run: from its inputs and names of outputs to these, float32 (n, d)."""


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
            return "openvino", _safe(bundle, _openvino)
        except ModuleNotFoundError as error:
            if error.name != "openvino":
                raise
            if engine == "openvino":
                raise MissingExtra(
                    "openvino is not installed",
                    "it comes with the extra [openvino]",
                    "pip install 'cdim[openvino]', or use engine='onnxruntime'",
                ) from None
    return "onnxruntime", _safe(bundle, _onnxruntime)


def _safe(bundle: Bundle, load: Callable[[Bundle], Run]) -> Run:
    """The graph in an engine. What the engine raises, in classes of its own, becomes one line."""

    def failure(did: str, error: Exception) -> ModelError:
        return ModelError(
            f"cannot {did} {bundle.model} ({_said(error)})",
            "it is the graph that an export wrote",
            "export the run again",
        )

    try:
        loaded = load(bundle)
    except (ModuleNotFoundError, MemoryError):
        raise
    except Exception as error:
        raise failure("load", error) from None

    def run(inputs: dict[str, NDArray[Any]], outputs: list[str]) -> list[NDArray[np.float32]]:
        try:
            return loaded(inputs, outputs)
        except MemoryError:
            raise
        except Exception as error:
            raise failure("run", error) from None

    return run


def _onnxruntime(bundle: Bundle) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it says is in the error
    session = onnxruntime.InferenceSession(
        str(bundle.model), options, providers=["CPUExecutionProvider"]
    )
    return lambda inputs, outputs: session.run(outputs, inputs)


def _openvino(bundle: Bundle) -> Run:
    import openvino

    # In full precision: left alone, it computes in bfloat16 where the CPU can.
    model = openvino.Core().compile_model(
        str(bundle.model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    def run(inputs: dict[str, NDArray[Any]], outputs: list[str]) -> list[NDArray[np.float32]]:
        found = model.create_infer_request().infer(inputs)  # a request a call: threads share none
        return [found[name] for name in outputs]

    return run


def _said(error: Exception) -> str:
    """Of an engine's error, the last line: OpenVINO begins with lines of its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
