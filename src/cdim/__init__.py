"""Cross-domain instance matching: find the same thing in another visual domain.

    import cdim

    model = cdim.load("default")
    photos = model.encode("photos/")  # .vectors and .names, in one order
    with cdim.Gallery.open("gallery", model="default", create=True) as gallery:
        gallery.index("photos/")
        print(gallery.search("sketch.png", k=5))

The package itself imports nothing heavy: each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cdim.errors import (
    CdimError,
    DataError,
    GalleryError,
    ImageError,
    MissingExtra,
    ModelError,
    RecipeError,
    TrainingError,
    UsageError,
)
from cdim.version import __version__

if TYPE_CHECKING:
    from cdim.api import (
        adapt,
        compare,
        evaluate,
        export,
        list_datasets,
        list_models,
        load,
        train,
    )
    from cdim.bundles.encoder import Encoder
    from cdim.data.manifest import Manifest
    from cdim.data.sets.catalogue import open_dataset
    from cdim.find.gallery import Gallery
    from cdim.find.items import Like
    from cdim.judge.report import Report

_ROOMS = {
    "Encoder": "cdim.bundles.encoder",
    "Gallery": "cdim.find.gallery",
    "Like": "cdim.find.items",
    "Manifest": "cdim.data.manifest",
    "Report": "cdim.judge.report",
    "open_dataset": "cdim.data.sets.catalogue",
    **dict.fromkeys(
        ("adapt", "compare", "evaluate", "export", "list_datasets", "list_models", "load", "train"),
        "cdim.api",
    ),
}
"""Where the names are that take time to import."""

__all__ = [
    "CdimError",
    "DataError",
    "Encoder",
    "Gallery",
    "GalleryError",
    "ImageError",
    "Like",
    "Manifest",
    "MissingExtra",
    "ModelError",
    "RecipeError",
    "Report",
    "TrainingError",
    "UsageError",
    "__version__",
    "adapt",
    "compare",
    "evaluate",
    "export",
    "list_datasets",
    "list_models",
    "load",
    "open_dataset",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'cdim' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return __all__
