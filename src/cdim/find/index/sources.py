"""The images to index: those of a folder or a dataset, with the metadata of each."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cdim.bundles.bundle import Bundle
from cdim.data.formats import SUFFIXES
from cdim.data.listing import ENCODING, UNSEEN
from cdim.data.manifest import NO_CAMERA, ImageRow, absolute
from cdim.data.sets.catalogue import KNOWN, open_dataset
from cdim.data.tree import Tree
from cdim.errors import DataError
from cdim.find import filters
from cdim.find.items import Value
from cdim.version import __version__

KEYS = ("id", "path", "source")
"""Columns of a table of metadata that say which image a row is about."""
OF_FILES = frozenset(("folder", "date", "width", "height"))
"""What every file of a folder tells of itself."""
OF_ROWS, CAMERA = ("instance", "category", "domain", "split"), "camera"
"""What a dataset tells of its images, beside its further columns."""
Table = Mapping[str, Mapping[str, Value]]
"""Metadata by the name of its image."""
_CODE = re.compile(r"[+-]?0\d|.*[eE]", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """An image to index.

    Args:
        id: the item's.
        source: its locator, which depends on no folder.
        domain: what it is embedded as.
        metadata: all that is known before reading it.
        described: whether the image itself gives the rest: its date and its size.
        columns: fields that the source itself tells of; of others it knows nothing.
    """

    id: str
    source: str
    domain: str
    metadata: Mapping[str, Value]
    described: bool
    columns: frozenset[str]

    def stamp(self) -> str:
        """Changes when the file or what is known of it does; "" where its file is missing."""
        told = json.dumps(dict(self.metadata), sort_keys=True, ensure_ascii=False)
        about = hashlib.sha256(told.encode()).hexdigest()[:16]
        if self.source.startswith("synthetic:"):
            return f"{__version__}:{about}"
        # The file, or the container that a locator names a part of.
        for file in (self.source, *(self.source.partition(sign)[0] for sign in "!#")):
            with suppress(OSError):
                status = os.stat(file)
                return f"{status.st_size}:{status.st_mtime_ns}:{about}"
        return ""


@dataclass(frozen=True)
class Listing:
    """All images of a source.

    Args:
        root: what the items remember it by.
        entries: the images, by id.
        unreadable: files and folders that cannot be indexed: name and reason.
        unseen: prefixes of ids below which nothing could be listed.
        unmatched: rows of the table of metadata that name no image.
    """

    root: str
    entries: dict[str, Entry]
    unreadable: dict[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where the items of a gallery come from: the fields are arguments of `Gallery.index`."""

    place: str
    metadata: Path | None = None
    domain: str | None = None
    prefix: str = ""
    data: Path | None = None

    def listed(self, bundle: Bundle) -> Listing:
        """All images of the source, for a gallery of a model.

        Raises:
            DataError: no such source, no images in it, or no table of metadata.
            ModelError: images of a domain that the model does not know.
        """
        table = {} if self.metadata is None else read_table(self.metadata)
        name = self.prefix.rstrip("/")
        prefix = f"{name}/" if name else ""
        if self.place not in KNOWN and os.path.isdir(self.place):
            found = _folder(self.place, self.domain or bundle.gallery, table, prefix)
        else:
            found = _dataset(self, table, prefix)
        if not found.entries:
            why = next(iter(found.unreadable.values()), "")
            raise DataError(
                f"no images in {self.place}" + (f" ({why})" if why else ""),
                f"images end in {', '.join(SUFFIXES)}",
                "check the path; nothing was removed from the gallery",
            )
        for domain in {entry.domain for entry in found.entries.values()}:
            bundle.taken_as(domain)
        return found


def read_table(path: Path) -> Table:
    """Reads metadata from a CSV with a column id, path or source; numbers become numbers.

    Returns:
        Metadata by the name of its image.

    Raises:
        DataError: no such file, no such column, or lines of unequal length.
        UsageError: a column whose name metadata may not have.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"cannot read {path} ({error})", "metadata is a UTF-8 CSV file", "check the path"
        ) from None
    header, *rows = [line for line in lines if line] or [[]]
    key = next((name for name in KEYS if name in header), None)
    wrong = [line for line in rows if len(line) != len(header)]
    if key is None or wrong or len(set(header)) != len(header):
        raise DataError(
            f"{path} has the columns {', '.join(header) or '(none)'}"
            + (f" and a line of {len(wrong[0])} values" if wrong else ""),
            f"one of {', '.join(KEYS)} names the image, every name is there once, and every "
            "line has a value a column",
            "correct the file",
        )
    place = header.index(key)
    table: Table = {
        line[place]: typed(
            {name: line[i] for i, name in enumerate(header) if i != place and line[i]}
        )
        for line in rows
    }
    for metadata in table.values():
        filters.check_metadata(metadata)
    return table


def typed(texts: Mapping[str, str]) -> dict[str, Value]:
    """Metadata of texts: numbers become numbers, except codes such as 007 and 12E4."""
    read = {name: filters.number(text) for name, text in texts.items() if not _CODE.match(text)}
    return {**texts, **{name: number for name, number in read.items() if number is not None}}


def _folder(source: str, domain: str, table: Table, prefix: str) -> Listing:
    root = os.path.abspath(source)
    if not filters.is_utf8(root):
        raise DataError(f"the folder {root!r}", "its name is UTF-8", "rename it")
    tree = Tree.open(Path(root))
    entries: dict[str, Entry] = {}
    used: set[str] = set()
    for below in tree.images:
        path = os.path.join(root, below)
        key, told = _row(table, below, path, prefix + below)
        used.add(key)
        known = {"folder": os.path.dirname(below), **told}
        known = {name: value for name, value in known.items() if value != ""}
        entries[prefix + below] = Entry(prefix + below, path, domain, known, True, OF_FILES)
    unreadable = {name: why for name, why in tree.left_out if why in (*UNSEEN, ENCODING)}
    unseen = tuple(prefix + name for name in tree.unseen)
    return Listing(root, entries, unreadable, unseen, tuple(set(table) - used))


def _dataset(source: Source, table: Table, prefix: str) -> Listing:
    manifest = open_dataset(source.place, source.data).manifest
    if any(manifest.role != ""):
        manifest = manifest.where(role="gallery")
    entries: dict[str, Entry] = {}
    used: set[str] = set()
    for row in manifest:
        locator = str(absolute(row.source, manifest.root))
        key, told = _row(table, str(row.source), locator)
        used.add(key)
        name = f"{prefix}{row.source}"
        known = filters.check_metadata({**_known(row), **told})
        own = frozenset((*OF_ROWS, CAMERA, *row.metadata))
        entries[name] = Entry(name, locator, source.domain or row.domain, known, False, own)
    root = os.path.abspath(source.place) if os.path.exists(source.place) else source.place
    return Listing(root, entries, unmatched=tuple(set(table) - used))


def _row(table: Table, *names: str) -> tuple[str, Mapping[str, Value]]:
    """The first of an image's names that has a row, and that row; "" and {} for none."""
    found = next((name for name in names if name in table), "")
    return found, table.get(found, {})


def _known(row: ImageRow) -> dict[str, Value]:
    texts = {name: getattr(row, name) for name in OF_ROWS}
    camera = {} if row.camera == NO_CAMERA else {CAMERA: row.camera}
    more = typed({name: text for name, text in row.metadata.items() if text})
    return {**{name: text for name, text in texts.items() if text}, **camera, **more}
