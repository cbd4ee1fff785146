"""Where a gallery is: a folder of this computer.

    gallery.json    which model its vectors are of
    bundle/         a copy of that model's bundle
    shard/          the items, in Qdrant Edge's own files

While it is being made, gallery.json is called `gallery.json.new`: what a kill left half made is
recognised by that and begun again. Whoever makes it holds a lock on that file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdim import strict
from cdim.bundles.bundle import Bundle, load_bundle, save_bundle
from cdim.errors import GalleryError, UsageError
from cdim.find.stores.edge import EdgeStore
from cdim.find.stores.record import Record

RECORD, BUNDLE, SHARD = "gallery.json", "bundle", "shard"
MAKING = RECORD + ".new"


def open_folder(place: Path, given: Bundle | None, create: bool) -> tuple[Bundle, EdgeStore]:
    """Opens a gallery in a folder, with the errors of `Gallery.open`.

    `given` is the bundle to use, None for the copy in the gallery; a new gallery needs one.
    """
    if not (place / RECORD).exists():
        _check_free(place, create)
        if given is None:
            raise UsageError(
                f"no model for the new gallery {place}",
                "its images become vectors by a model's bundle",
                "name one, such as default",
                argument="model",
            )
        return _make(place, given)
    record = _read(place)
    store = EdgeStore(place / SHARD, record.dim)  # from here on it is ours: nobody else writes
    try:
        kept = load_bundle(place / BUNDLE)
        record.check(kept, str(place))
        if given is not None:
            record.check(given, str(place))
            if given != kept:  # the same vectors, but new numbers or a new calibration
                save_bundle(given, place / BUNDLE)
                kept = load_bundle(place / BUNDLE)
    except BaseException:
        store.close()
        raise
    return kept, store


def _make(place: Path, bundle: Bundle) -> tuple[Bundle, EdgeStore]:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place):
            if not (place / RECORD).exists():
                text = json.dumps(strict.plain(Record.of(bundle)), indent=2)
                (place / MAKING).write_text(text + "\n", encoding="utf-8")
                for part in (BUNDLE, SHARD):
                    shutil.rmtree(place / part, ignore_errors=True)
                shutil.copytree(bundle.folder, place / BUNDLE)
                store = EdgeStore(place / SHARD, bundle.dim, create=True)
                os.replace(place / MAKING, place / RECORD)
                return load_bundle(place / BUNDLE), store
            (place / MAKING).unlink(missing_ok=True)
    except OSError as error:
        raise GalleryError(
            f"cannot make the gallery {place} ({error})",
            "its folder can be written and has room",
            "choose another place, or free some space",
        ) from None
    return open_folder(place, bundle, False)  # another process was quicker


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keeps other processes from making the same gallery, on systems that have such locks."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (place / MAKING).open("a") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GalleryError(
                f"the gallery {place} is being made by another process",
                "one process at a time owns a gallery",
                "wait for it",
            ) from None
        yield


def _check_free(place: Path, create: bool) -> None:
    """Whether a gallery may be made here: nothing else is touched."""
    try:
        there = {path.name for path in place.iterdir()} if place.exists() else set()
    except OSError as error:
        raise GalleryError(
            f"{place} is no folder that can be read ({error})",
            "a gallery is a folder that an indexing made",
            "check the path",
        ) from None
    if not create:
        raise GalleryError(
            f"{place} is no gallery: there is no {place / RECORD}",
            "a gallery is a folder that an indexing made",
            "check the path, or index a folder of images into a new gallery",
        )
    if RECORD in there:  # another process has just made it
        return
    if there and not (MAKING in there and there <= {MAKING, BUNDLE, SHARD}):
        raise GalleryError(
            f"{place} holds something else, such as {min(there)}",
            "a new gallery is made in an empty or a new folder",
            "name another folder",
        )


def _read(place: Path) -> Record:
    try:
        table = json.loads((place / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GalleryError(
            f"cannot read {place / RECORD} ({error})",
            "it is the JSON file that cdim wrote",
            "restore a backup, or index into a new folder",
        ) from None
    return Record.read(table, str(place))
