"""Whether an exported graph gives what the network and its head give, on real images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cdim.bundles import finish
from cdim.bundles.bundle import Bundle
from cdim.bundles.encoder import Encoder, Output
from cdim.bundles.heads import projection
from cdim.bundles.heads.projection import Projection
from cdim.data.manifest import Manifest
from cdim.learn.export.graph import Graph
from cdim.learn.export.quantise import sample

SEEN = 200
"""Training images that graph and network are compared on."""
BATCH = 32


def check(made: Bundle, network: Graph, head: Projection | None, manifest: Manifest) -> None:
    """The graph gives what PyTorch's network gives, and NumPy's head on it.

    Raises:
        ModelError: it does not, as `finish.check` says.
    """
    some = manifest.take(sample(len(manifest), SEEN))
    images = torch.from_numpy(Encoder(made, "onnxruntime").inputs(some)["images"])
    with torch.inference_mode():
        parts = [network(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
    features, embedding = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    if head is not None:
        embedding = projection.apply(head, embedding, some.domain)
    wanted: dict[Output, NDArray[np.float32]] = {"features": features, "embedding": embedding}
    finish.check(made, some, wanted, half=made.precision == "fp16")
