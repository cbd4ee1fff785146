"""Checkpoints: one safetensors file each, with everything but tensors as JSON in its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cdim.disk import write_whole
from cdim.errors import ModelError, TrainingError


def write(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes a checkpoint atomically.

    Raises:
        TrainingError: it cannot be written (a full disk, say); the older file stays.
    """
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    write_whole(
        path,
        save(plain, metadata={"cdim": json.dumps(meta)}),
        TrainingError,
        "earlier checkpoints are untouched; make room, then resume the training",
        argument="resume",
    )


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON part of a checkpoint.

    Raises:
        ModelError: no such file, or not a checkpoint of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})["cdim"])
            return {k: file.get_tensor(k) for k in file.keys()}, meta  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise ModelError(
            f"cannot read {path} ({error})",
            "a checkpoint is a whole .safetensors file written by cdim",
            "check the path, or train again",
        ) from None


def select(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose name starts with `prefix`, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
