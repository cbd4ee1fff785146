"""Training: the only part of cdim that needs torch (`pip install 'cdim[train]'`).

`cdim.learn.fuse` puts the fusion module around any network of PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdim.errors import training_extra

if TYPE_CHECKING:
    from cdim.learn.networks.fuse import fuse

__all__ = ["fuse"]


def __getattr__(name: str) -> Any:
    # Imported at the first use: PyTorch takes time to start.
    if name not in __all__:
        raise AttributeError(f"module 'cdim.learn' has no attribute {name!r}")
    with training_extra():
        from cdim.learn.networks.fuse import fuse
    return fuse
