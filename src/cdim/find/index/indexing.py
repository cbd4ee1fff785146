"""Keeps a gallery in step with a folder or a dataset.

What is in step already is left alone: a file whose size and time are those of its item is not
even read, one whose content is known is not embedded again. Everything that was put stays,
whatever happens later; another run continues from there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.data.decoding import decoded
from cdim.data.images import Files
from cdim.errors import GalleryError
from cdim.find.index import reading
from cdim.find.index.reading import Read
from cdim.find.index.sources import Entry, Listing
from cdim.find.items import Item, Value

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery

BATCH = 32  # images embedded at a time
AHEAD = 16  # images that are read meanwhile: photos of a phone have 40 MB of pixels each
BYTES = 256 * 2**20  # pixels waiting to be embedded
FLUSH = 10_000  # items between flushes: what a kill makes the next opening read again
BY_ITSELF = (
    "an item of this id was added or given another image by itself, and stays; remove it and index "
    "again, or give the ids of this source a prefix"
)

GRAPH = "search graph (Ctrl-C waits for it)"
Progress = Callable[[str, int, int], None]
"""Called with what is done, and how many of how many."""


@dataclass
class Summary:
    """What an indexing did.

    Args:
        added: ids that are new.
        replaced: ids whose image is another one now.
        updated: ids whose metadata changed, with the same image.
        removed: ids whose file no longer exists.
        unchanged: ids that were in step.
        embedded: images that went through the model.
        reused: added or replaced ids whose image was known, moved or copied.
        unreadable: what could not be indexed: name and reason.
        unmatched: rows of the table of metadata that name no image.
        items: how many the gallery holds afterwards.
    """

    added: int = 0
    replaced: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    embedded: int = 0
    reused: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    items: int = 0

    @property
    def changed(self) -> bool:
        """Whether it changed the gallery."""
        return bool(self.added or self.replaced or self.updated or self.removed)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **{name: value for name, value in vars(self).items() if isinstance(value, int)},
            "unreadable": [{"name": n, "why": why} for n, why in self.unreadable.items()],
            "unmatched": sorted(self.unmatched),
        }


class Known(NamedTuple):
    """What the gallery holds of an image already."""

    digest: str
    domain: str
    root: str
    stamp: str
    metadata: dict[str, Value]


def index(
    gallery: Gallery,
    listing: Listing,
    *,
    keep: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Brings a gallery in step with the images of a source; the rest is as for `Gallery.index`.

    Raises:
        GalleryError: an id belongs to another source, which this one is not the renamed folder of.
        UsageError: more different names of metadata than a gallery holds.
    """
    return _Indexing(gallery, listing).run(keep, progress or (lambda _what, _done, _all: None))


class _Indexing:
    """One run: the known items, the images that wait to be embedded, the counts."""

    def __init__(self, gallery: Gallery, listing: Listing) -> None:
        self.gallery = gallery
        self.listing = listing
        self.summary = Summary(unreadable=dict(listing.unreadable), unmatched=listing.unmatched)
        self.roots = {listing.root}
        self.known: dict[str, Known] = {}
        self.contents: dict[tuple[str, str], str] = {}  # digest and domain: an id that has them
        self.waiting: list[Read] = []
        self.put_since_flush = 0

    def run(self, keep: bool, progress: Progress) -> Summary:
        """All of it, in order: nothing is removed before the rest is safe."""
        self._learn()
        self._check_roots()
        entries = [e for e in self.listing.entries.values() if not self._by_itself(e.id)]
        described = {name for entry in entries if entry.described for name in entry.columns}
        self.gallery.check_fields({name for e in entries for name in e.metadata} | described)
        self._hand_over()
        for done, (entry, found) in enumerate(self._read(entries), start=1):
            if isinstance(found, str):
                self.summary.unreadable[entry.id] = found
            elif found is None:
                self.summary.unchanged += 1
            else:
                self._take(found)
            progress("images", done, len(entries))
        self._embed()
        if not keep:
            self._remove()
        if self.put_since_flush or self.summary.removed:
            self.gallery.flush()
        progress(GRAPH, 0, 1)
        self.gallery.optimise()
        progress(GRAPH, 1, 1)
        self.summary.items = self.gallery.count()
        return self.summary

    def _learn(self) -> None:
        for found in self.gallery.store.all():
            item = found.item
            self.known[item.id] = Known(
                item.digest, item.domain, item.root, item.stamp, dict(item.metadata)
            )
            self.contents[item.digest, item.domain] = item.id

    def _check_roots(self) -> None:
        """Refuses ids of another source; a renamed folder hands over its items.

        Ids that were added by themselves are left as they are, and named.
        """
        root = self.listing.root
        for name in self.listing.entries:
            if self._by_itself(name):
                self.summary.unreadable[name] = BY_ITSELF
                continue
            other = self.known[name].root if name in self.known else root
            if other in self.roots:
                continue
            there = not os.path.isabs(other) or os.path.exists(other)
            if not there and self._renamed(other):
                self.roots.add(other)
                continue
            gone = f"; the folder {other} is not there now: if it is unmounted, mount it"
            raise GalleryError(
                f"{name!r} of {root} is in the gallery already, from {other}"
                + ("" if there else gone),
                "items of one gallery have different ids; a renamed folder is known by more than "
                "half of them",
                "give the ids of this source a prefix",
                argument="prefix",
            )

    def _by_itself(self, name: str) -> bool:
        return name in self.known and not self.known[name].root

    def _renamed(self, other: str) -> bool:
        """Whether the source is another one under a new name: most ids of that are in it.

        A disk that is not mounted is missing too, and must not lose its items.
        """
        ids = [name for name, known in self.known.items() if known.root == other]
        return 2 * sum(name in self.listing.entries for name in ids) > len(ids)

    def _hand_over(self) -> None:
        """Removes the missing items of a renamed folder first: a kill leaves it the others."""
        old = self.roots - {self.listing.root}
        gone = [
            name
            for name, known in self.known.items()
            if known.root in old and name not in self.listing.entries
        ]
        for start in range(0, len(gone), BATCH):
            found = self.gallery.store.get(gone[start : start + BATCH], True, True)
            items = [replace(f.item, root=self.listing.root, stamp="") for f in found]
            self.gallery.put(items, np.array([f.vector for f in found], dtype=np.float32))

    def _read(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Read | str | None]]:
        """Every entry with its content, the reason it cannot be read, or None: unchanged."""
        with ExitStack() as closing:
            opened = Files(closing)

            def read(job: tuple[Entry, str, bool]) -> tuple[Entry, Read | str | None]:
                entry, stamp, same = job
                root = self.listing.root
                return entry, None if same else reading.read(entry, root, stamp, opened)

            stamped = ((entry, entry.stamp()) for entry in entries)
            jobs = ((entry, stamp, self._in_step(entry, stamp)) for entry, stamp in stamped)
            yield from decoded(read, jobs, AHEAD)

    def _in_step(self, entry: Entry, stamp: str) -> bool:
        known = self.known.get(entry.id)
        now = (stamp, entry.domain, self.listing.root)
        return bool(stamp and known and (known.stamp, known.domain, known.root) == now)

    def _take(self, read: Read) -> None:
        """Stores an image at once if its vector is known, else lets it wait for others."""
        known = self.known.get(read.item.id)
        content = (read.item.digest, read.item.domain)
        same = known is not None and (known.digest, known.domain) == content
        if known is not None:  # metadata that a table or a person once gave stays
            own = self.listing.entries[read.item.id].columns
            told = {name: value for name, value in known.metadata.items() if name not in own}
            metadata = {**told, **read.item.metadata}
            read = replace(read, item=replace(read.item, metadata=metadata))
        if known is None:
            self.summary.added += 1
        elif not same:
            self.summary.replaced += 1
        elif known.metadata != dict(read.item.metadata):
            self.summary.updated += 1
        else:
            self.summary.unchanged += 1
        source = self.contents.get(content)
        if source is not None:
            self.summary.reused += not same
            self._put([read.item], self.gallery.vectors([source]))
            return
        self.waiting.append(read)
        pixels = sum(waiting.pixels.nbytes for waiting in self.waiting)
        if len(self.waiting) >= BATCH or pixels > BYTES:
            self._embed()

    def _embed(self) -> None:
        """Embeds what waits, every content once, and puts it."""
        waiting, self.waiting = self.waiting, []
        for domain in dict.fromkeys(read.item.domain for read in waiting):
            reads = [read for read in waiting if read.item.domain == domain]
            different = {read.item.digest: read.pixels for read in reads}
            vectors = self.gallery.encoder.encode_pixels(list(different.values()), domain)
            rows = {digest: row for row, digest in enumerate(different)}
            items = [read.item for read in reads]
            self.summary.embedded += len(different)
            self.summary.reused += len(reads) - len(different)
            self._put(items, vectors[[rows[item.digest] for item in items]])

    def _put(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        self.gallery.put(items, vectors)
        for item in items:
            old = self.known.get(item.id)
            if old is not None and self.contents.get((old.digest, old.domain)) == item.id:
                del self.contents[old.digest, old.domain]  # its vector is another one now
            self.contents[item.digest, item.domain] = item.id
        self.put_since_flush += len(items)
        if self.put_since_flush >= FLUSH:
            self.gallery.flush()
            self.put_since_flush = 0

    def _remove(self) -> None:
        gone = [
            name
            for name, known in self.known.items()
            if known.root in self.roots
            and name not in self.listing.entries
            and not name.startswith(self.listing.unseen)
        ]
        self.summary.removed = self.gallery.remove(gone)
