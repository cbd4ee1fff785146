"""Keeps a gallery in step with a folder or a dataset.

What is in step already is left alone: a file whose size and time are those of its item is not
even read, one whose content is known is not embedded again. Everything that was put stays,
whatever happens later; another run continues from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cdim.data.decoding import decoded
from cdim.data.images import Files
from cdim.data.listing import NO_GALLERY, UNSEEN
from cdim.errors import UsageError
from cdim.find.index import reading
from cdim.find.index.gone import Gone, Known, file_part
from cdim.find.index.reading import Read
from cdim.find.index.roots import own_roots
from cdim.find.index.sources import OF_IMAGES, Entry, Listing, nothing_to_index
from cdim.find.index.summary import Summary
from cdim.find.items import BY_HAND, Item

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery

BATCH = 32  # images embedded at a time
AHEAD = 16  # images that are read meanwhile: photos of a phone have 40 MB of pixels each
BYTES = 256 * 2**20  # pixels waiting to be embedded
FLUSH = 10_000  # items between flushes: what a kill makes the next opening read again
BY_ITSELF = (
    "an item of this id was added by itself, and stays; remove it and index again, or give the ids "
    "of this source a prefix"
)
GRAPH = "search graph"
Progress = Callable[[str, int, int], None]
"""Called with what is done, and how many of how many."""


def index(
    gallery: Gallery,
    listing: Listing,
    *,
    keep: bool = False,
    prune: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Brings a gallery in step with the images of a source; the rest is as for `Gallery.index`.

    Raises:
        DataError: there is nothing to index.
        GalleryError: an id belongs to another source, which this one is not the renamed folder of;
            or the gallery is read-only.
        UsageError: more different names of metadata than a gallery holds, or `keep` and `prune`.
    """
    if keep and prune:
        raise UsageError("keep and prune", "items whose file is gone stay, or go", "leave one out")
    if not dry_run:
        gallery.store.check_writable()
    return _Indexing(gallery, listing, dry_run).run(keep, prune, progress or (lambda *_: None))


class _Indexing:
    """One run: the known items, the images that wait to be embedded, the counts."""

    def __init__(self, gallery: Gallery, listing: Listing, dry_run: bool) -> None:
        self.gallery = gallery
        self.listing = listing
        self.dry_run = dry_run
        self.summary = Summary(
            unreadable=dict(listing.unreadable),
            left_out=listing.left_out,
            unmatched=listing.unmatched,
            dry_run=dry_run,
        )
        self.roots = {listing.root}
        self.known: dict[str, Known] = {}
        self.gone = Gone({})
        self.contents: dict[tuple[str, str], str] = {}  # digest and domain: an id that has them
        self.waiting: list[Read] = []
        self.put_since_flush = 0

    def run(self, keep: bool, prune: bool, progress: Progress) -> Summary:
        """All of it, in order: nothing is removed before the rest is safe."""
        self._learn()
        self.roots = own_roots(self.listing, self.known)
        by_itself = {n for n in self.listing.entries if n in self.known and not self.known[n].root}
        self.summary.unreadable.update(dict.fromkeys(by_itself, BY_ITSELF))
        missing = self._missing()
        if not self.listing.entries and not (prune and missing):
            raise nothing_to_index(self.listing, missing)
        entries = [e for e in self.listing.entries.values() if e.id not in by_itself]
        described = {name for entry in entries if entry.described for name in entry.columns}
        self.gallery.check_fields({name for e in entries for name in e.metadata} | described)
        if not self.dry_run:
            self._hand_over(missing)
        self.gone = Gone({} if keep else self._unlisted(missing, below=False))
        # Files that may be converted ones come last: what has the content of another comes first.
        entries.sort(key=lambda e: e.id not in self.known and self.gone.may_be(e.id))
        for done, (entry, stamp, found) in enumerate(self._read(entries), start=1):
            if isinstance(found, str):
                self.summary.unreadable[entry.id] = found
            elif found is not None:
                self._take(entry, stamp, found)
            elif self.known[entry.id].by_hand:
                self._keep_image(entry, stamp, entry.id)
            else:
                self.summary.did("unchanged", entry.id)
            progress("images", done, len(entries))
        self._embed()
        if entries and self.summary.unreadable.keys() >= {entry.id for entry in entries}:
            raise nothing_to_index(self.listing, missing, self.summary.unreadable)
        if not keep:
            self._remove(missing, prune)
        if not self.dry_run:
            self._finish(progress)
        self.summary.items = self.gallery.count()
        return self.summary

    def _learn(self) -> None:
        for found in self.gallery.store.all():
            item = found.item
            self.known[item.id] = Known(
                item.digest, item.domain, item.root, item.stamp, dict(item.metadata)
            )
            self.contents[item.digest, item.domain] = item.id

    def _missing(self) -> list[str]:
        """Items of the source that it does not list."""
        own = (name for name, known in self.known.items() if known.root in self.roots)
        return sorted(name for name in own if name not in self.listing.entries)

    def _hand_over(self, missing: Sequence[str]) -> None:
        """Takes the missing items of a renamed folder over first: a kill leaves it the others."""
        old = [name for name in missing if self.known[name].root != self.listing.root]
        for start in range(0, len(old), BATCH):
            found = self.gallery.store.get(old[start : start + BATCH], True, True)
            stamps = [i.stamp if self.known[i.id].by_hand else "" for i in (f.item for f in found)]
            items = [
                replace(f.item, root=self.listing.root, stamp=stamp)
                for f, stamp in zip(found, stamps, strict=True)
            ]
            self.gallery.put(items, np.array([f.vector for f in found], dtype=np.float32))

    def _read(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, str, Read | str | None]]:
        """Every entry, its stamp, and its content, why it cannot be read, or None: not needed."""
        with Files() as opened:

            def read(job: tuple[Entry, str, bool]) -> tuple[Entry, str, Read | str | None]:
                entry, stamp, same = job
                root = self.listing.root
                return entry, stamp, None if same else reading.read(entry, root, stamp, opened)

            stamped = ((entry, entry.stamp()) for entry in entries)
            jobs = ((entry, stamp, self._in_step(entry, stamp)) for entry, stamp in stamped)
            yield from decoded(read, jobs, AHEAD)

    def _in_step(self, entry: Entry, stamp: str) -> bool:
        """Whether a file need not be read: nothing changed, or its image was given by hand."""
        known = self.known.get(entry.id)
        if not stamp or known is None:
            return False
        if known.by_hand:
            return known.content == file_part(stamp)
        now = (stamp, entry.domain, self.listing.root)
        return (known.stamp, known.domain, known.root) == now

    def _take(self, entry: Entry, stamp: str, read: Read) -> None:
        """Stores an image at once if its vector is known, else lets it wait for others."""
        name, content = entry.id, (read.item.digest, read.item.domain)
        if read.more:
            self.summary.pages[name] = read.more
        if (read.pixels == read.pixels[0, 0]).all():
            self.summary.blank.append(name)
        known = old = self.known.get(name)
        if known is None:
            was = self.gone.take(name, (content[0], file_part(stamp)), entry.columns)
            if was and self.known[was].by_hand and self.known[was].content == file_part(stamp):
                self._keep_image(entry, stamp, was)
                return
            if was is None:
                self.summary.unclear.append(name)
            old = self.known[was] if was else None
            self.summary.did("moved" if was else "added", name)
        if old is not None:  # metadata that a table or a person once gave stays
            told = {k: v for k, v in old.metadata.items() if k not in entry.columns}
            metadata = {**told, **read.item.metadata}
            read = replace(read, item=replace(read.item, metadata=metadata))
        same = known is not None and (known.digest, known.domain) == content
        if known is not None and not same:
            self.summary.did("replaced", name)
        elif known is not None:
            changed = known.metadata != dict(read.item.metadata)
            self.summary.did("updated" if changed else "unchanged", name)
        source = self.contents.get(content)
        if source is not None:
            self.summary.reused += not same
            self._put([read.item], None if self.dry_run else self.gallery.vectors([source]))
            return
        self.waiting.append(read)
        pixels = sum(waiting.pixels.nbytes for waiting in self.waiting)
        if len(self.waiting) >= BATCH or pixels > BYTES:
            self._embed()

    def _keep_image(self, entry: Entry, stamp: str, was: str) -> None:
        """Lets an item have the image that it was given by hand, and tells it the rest."""
        name, known = entry.id, self.known[was]
        own = entry.columns - OF_IMAGES if entry.described else entry.columns
        told = {k: v for k, v in known.metadata.items() if k not in own}
        metadata = {**told, **entry.metadata}
        new = replace(known, root=self.listing.root, stamp=BY_HAND + stamp, metadata=metadata)
        self.summary.by_hand.append(name)
        changed = "updated" if metadata != known.metadata else "unchanged"
        self.summary.did(changed if was == name else "moved", name)
        if (was, known) == (name, new) or self.dry_run:
            return
        found = self.gallery.store.get([was], True, True)[0]
        item = replace(found.item, id=name, root=new.root, stamp=new.stamp, metadata=metadata)
        self._put([item], np.array([found.vector], dtype=np.float32))

    def _embed(self) -> None:
        """Embeds what waits, every content once, and puts it."""
        waiting, self.waiting = self.waiting, []
        for domain in dict.fromkeys(read.item.domain for read in waiting):
            reads = [read for read in waiting if read.item.domain == domain]
            different = {read.item.digest: read.pixels for read in reads}
            rows = {digest: row for row, digest in enumerate(different)}
            items = [read.item for read in reads]
            self.summary.embedded += len(different)
            self.summary.reused += len(reads) - len(different)
            vectors = None
            if not self.dry_run:
                embedded = self.gallery.encoder.encode_pixels(list(different.values()), domain)
                vectors = embedded[[rows[item.digest] for item in items]]
            self._put(items, vectors)

    def _put(self, items: Sequence[Item], vectors: NDArray[np.float32] | None) -> None:
        """Puts items with their vectors (n, d); None in a dry run, which puts nothing."""
        if vectors is not None:
            self.gallery.put(items, vectors)
        for item in items:
            old = self.known.get(item.id)
            if old is not None and self.contents.get((old.digest, old.domain)) == item.id:
                del self.contents[old.digest, old.domain]  # its vector is another one now
            self.contents[item.digest, item.domain] = item.id
        self.put_since_flush += 0 if vectors is None else len(items)
        if self.put_since_flush >= FLUSH:
            self.gallery.flush()
            self.put_since_flush = 0

    def _unlisted(self, missing: Sequence[str], below: bool) -> dict[str, Known]:
        """Missing items that lie, or not, where the source could not be looked into."""
        unseen = self.listing.unseen
        return {n: self.known[n] for n in missing if n.startswith(unseen) is below}

    def _remove(self, missing: Sequence[str], prune: bool) -> None:
        """Removes items whose file is gone, but not where most are, or where none can be seen."""
        unseen = self._unlisted(missing, below=True)
        moved = [name for name in missing if name not in unseen and name not in self.gone.left]
        lost = [*self.gone.left, *(unseen if prune else ())]
        self.summary.withheld = [] if prune else list(unseen)
        own = sum(known.root in self.roots for known in self.known.values())
        most = 2 * len(lost) > own and not prune
        if most:
            self.summary.withheld += lost
            lost = []
        kinds = {reason for _, reason in self.listing.left_out} if self.summary.withheld else set()
        why = {
            "most files are gone": most,
            "the gallery alone is taken": NO_GALLERY in kinds,
            "a folder or a link leads nowhere": not kinds.isdisjoint(UNSEEN),
        }
        self.summary.why_withheld = " and ".join(text for text, holds in why.items() if holds)
        inherited = self._inherit(lost)
        for name in lost:
            if name not in inherited:
                self.summary.did("removed", name)
        if not self.dry_run:
            self.gallery.remove([*moved, *lost])

    def _inherit(self, lost: Sequence[str]) -> set[str]:
        """Gives what was told of lost items to copies that were there beside them, told nothing."""
        columns = {name for entry in self.listing.entries.values() for name in entry.columns}
        gone = Gone({n: self.known[n] for n in lost if self.known[n].metadata.keys() - columns})
        before = set(gone.left)
        for name, entry in self.listing.entries.items() if before else ():
            known = self.known.get(name)
            if known is None or name in self.summary.unreadable:
                continue
            if {*known.metadata, *entry.metadata} - entry.columns:
                continue
            was = gone.take(name, (known.content,), entry.columns)
            if was is None:
                self.summary.unclear.append(name)
            elif was:
                did = any(name in ids for ids in self.summary.ids.values())
                self.summary.unchanged -= not did
                self.summary.did("moved", name)
                found = self.gallery.store.get([name], True, True)[0]
                told = {k: v for k, v in self.known[was].metadata.items() if k not in entry.columns}
                item = replace(found.item, metadata={**told, **found.item.metadata})
                vector = np.array([found.vector], dtype=np.float32)
                self._put([item], None if self.dry_run else vector)
        return before - gone.left.keys()

    def _finish(self, progress: Progress) -> None:
        if self.put_since_flush or self.summary.changed:
            self.gallery.flush()
        progress(GRAPH, 0, 1)
        self.gallery.optimise()
        progress(GRAPH, 1, 1)
