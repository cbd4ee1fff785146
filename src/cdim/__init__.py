"""Cross-domain instance matching: find the same thing in another visual domain.

    errors <- data, metrics <- evaluation <- find | learn <- cli

Importing this package imports nothing heavy; take what you need from its rooms,
for example `from cdim.data.catalogue import open_dataset`.
"""

from __future__ import annotations

from cdim.errors import CdimError

__all__ = ["CdimError", "__version__"]

__version__ = "0.1.0"
