"""What a gallery remembers of its model."""

from __future__ import annotations

from dataclasses import dataclass

from cdim import strict
from cdim.bundles.bundle import Bundle
from cdim.errors import GalleryError

FORMAT = 2


@dataclass(frozen=True)
class Record:
    """What is remembered of a gallery's model; `format` is the version of this record."""

    fingerprint: str
    model: str
    dim: int
    format: int = FORMAT

    @classmethod
    def of(cls, bundle: Bundle) -> Record:
        """What to remember of a bundle."""
        return cls(bundle.fingerprint, bundle.name, bundle.dim)

    @classmethod
    def read(cls, table: object, place: str) -> Record:
        """Reads the record; a `GalleryError` says it is damaged, or of another version."""
        found: Record = strict.build(cls, table, strict.Document("gallery", GalleryError))
        if found.format != FORMAT:
            raise GalleryError(
                f"the gallery {place} is of format {found.format}",
                f"this version of cdim reads format {FORMAT}",
                "index again into another folder, or use the version that wrote it",
            )
        return found

    def check(self, bundle: Bundle, place: str) -> None:
        """Refuses a bundle whose vectors are not those of the gallery by a `GalleryError`."""
        if bundle.fingerprint != self.fingerprint:
            raise GalleryError(
                f"the gallery {place} is of the model {self.model} "
                f"({self.fingerprint[:12]}), not of {bundle.name} ({bundle.fingerprint[:12]})",
                "vectors of different models cannot be compared",
                "index the images again into another gallery",
            )
