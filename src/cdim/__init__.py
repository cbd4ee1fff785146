"""Cross-domain instance matching: find the same thing in another visual domain.

    import cdim

    vectors = cdim.load("bundle").encode_gallery("photos/")
    with cdim.Gallery.open("gallery") as gallery:
        ...

Importing this package imports nothing heavy; the rest is in its rooms, for example
`from cdim.data.sets.catalogue import open_dataset`. See docs/architecture.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdim.errors import CdimError
from cdim.version import __version__

if TYPE_CHECKING:
    from cdim.api import load
    from cdim.find.gallery import Gallery

__all__ = ["CdimError", "Gallery", "__version__", "load"]


def __getattr__(name: str) -> Any:
    # Imported when they are asked for: NumPy and Qdrant take time to start.
    if name == "load":
        from cdim.api import load

        return load
    if name == "Gallery":
        from cdim.find.gallery import Gallery

        return Gallery
    raise AttributeError(f"module 'cdim' has no attribute {name!r}")
