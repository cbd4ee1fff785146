"""Batch norms remember means and variances; here they are measured instead.

The running ones are of the live network's bf16 outputs, rounded as no float32 network's are: on
line drawings, whose maps are nearly constant, that alone cost half of the accuracy. And averaged
weights have no outputs of their own to remember.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def measure_norms(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets what batch norms remember to what training images give, in float32.

    Norms that training leaves alone (in evaluation mode while the network trains) stay as they
    are. The network, which is not run without batch norms, is in training mode afterwards.
    All batches (n, channels, height, width) count alike.
    """
    network.train()
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        for batch in batches:
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
