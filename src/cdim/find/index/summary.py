"""What an indexing did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cdim.data.listing import Omission
from cdim.errors import plural

DONE = ("added", "replaced", "updated", "moved", "removed")
"""What an indexing does to items."""


@dataclass(repr=False)
class Summary:
    """What an indexing did; of a dry run, what it would do. Printed, it is a line.

    Args:
        added: ids that are new.
        replaced: ids whose image is another one now.
        updated: ids whose metadata changed, with the same image.
        moved: ids whose file was known under another id, whose metadata they took over.
        removed: ids whose file no longer exists.
        unchanged: ids that were in step.
        embedded: images that went through the model.
        reused: added, replaced or moved ids whose image was known.
        unreadable: what could not be indexed: name and reason.
        pages: pages of a file after the first, or frames, which are left out: their number by name.
        blank: ids of images of one colour, which are indexed, and show nothing.
        left_out: what was passed over in a folder.
        unmatched: rows of the table of metadata that name no image.
        withheld: ids whose file was not found, and that only `prune` removes.
        why_withheld: why, in words.
        by_hand: ids whose image was given by hand, which stays until their file changes.
        unclear: new ids that may be any of several moved files: they took over nothing.
        items: how many the gallery holds afterwards.
        ids: the ids of each kind of `DONE`.
        dry_run: whether nothing was written.
    """

    added: int = 0
    replaced: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    embedded: int = 0
    reused: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    left_out: tuple[Omission, ...] = ()
    unmatched: tuple[str, ...] = ()
    withheld: list[str] = field(default_factory=list)
    why_withheld: str = ""
    by_hand: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    items: int = 0
    ids: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in DONE})
    dry_run: bool = False

    def __str__(self) -> str:
        did = [f"{len(ids):,} {kind}" for kind, ids in self.ids.items() if ids or kind == "added"]
        did += [f"{self.unchanged:,} unchanged"] if self.unchanged else []
        known = f" ({self.reused:,} known by their content)" if self.reused else ""
        dry = "a dry run, which writes nothing: " if self.dry_run else ""
        items, embedded = plural(self.items, "item"), f"{self.embedded:,} embedded{known}"
        return f"{items}; {dry}{', '.join(did)}; {embedded}"

    def __repr__(self) -> str:
        return f"<Summary: {self}>"

    def did(self, kind: str, name: str) -> None:
        """Counts an id; `kind` is one of `DONE`, or "unchanged"."""
        setattr(self, kind, getattr(self, kind) + 1)
        if kind in self.ids:
            self.ids[kind].append(name)

    @property
    def changed(self) -> bool:
        """Whether it changed the gallery."""
        return any(self.ids.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; of a dry run with the ids of each kind."""
        return {
            **{name: value for name, value in vars(self).items() if isinstance(value, int)},
            "unreadable": [{"name": n, "why": why} for n, why in self.unreadable.items()],
            "pages": [{"name": n, "left_out": number} for n, number in self.pages.items()],
            "blank": self.blank,
            "left_out": [{"name": name, "why": why} for name, why in self.left_out],
            "unmatched": sorted(self.unmatched),
            "withheld": self.withheld,
            "why_withheld": self.why_withheld,
            "by_hand": self.by_hand,
            "unclear": self.unclear,
            "ids": self.ids if self.dry_run else {},
        }
