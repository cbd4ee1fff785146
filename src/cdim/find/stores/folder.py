"""Where a gallery is: a folder of this computer.

    gallery.json    which model its vectors are of
    bundle/         a copy of that model's bundle
    shard/          the items, in Qdrant Edge's own files, and how many they were when it was closed

While it is being made, gallery.json is called `gallery.json.new`: what a kill left half made is
recognised by that and begun again. Whoever makes it holds a lock on that file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cdim import strict
from cdim.bundles.bundle import Bundle, check_whole, copy_bundle, load_bundle, save_bundle
from cdim.data.files import nearest_path
from cdim.errors import CdimError, GalleryError, UsageError
from cdim.find.stores.edge import EdgeStore
from cdim.find.stores.record import Record
from cdim.find.stores.shard import check_own

RECORD, BUNDLE, SHARD = "gallery.json", "bundle", "shard"
MAKING = RECORD + ".new"
LONGEST = 2**16  # characters of the record that are read


def is_gallery(place: Path) -> bool:
    """Whether there is a gallery."""
    return (place / RECORD).exists()


def open_folder(
    place: Path, given: Bundle | None, create: bool, mend: bool = True
) -> tuple[Bundle, EdgeStore]:
    """Opens a gallery in a folder, with the errors of `Gallery.open`.

    Args:
        place: the folder.
        given: the bundle to use, None for the copy in the gallery; a new gallery needs one.
        create: make the gallery where there is none.
        mend: write the bundle that is given over a copy that is another or damaged.
    """
    if not is_gallery(place):
        check_free(place, create)
        if given is None:
            raise UsageError(
                f"no model for the new gallery {place}",
                "its images become vectors by a model's bundle",
                "name one, such as default",
                argument="model",
            )
        return _make(place, given)
    check_own(place)
    record = _read(place)
    store = EdgeStore(place / SHARD, record.dim)  # from here on it is ours: nobody else writes
    try:
        return _bundle(place, record, given, mend and not store.read_only), store
    except BaseException:
        store.close()
        raise


def _bundle(place: Path, record: Record, given: Bundle | None, writable: bool) -> Bundle:
    """The gallery's copy of its bundle, which is mended by the one that is given."""
    if given is not None:
        record.check(given, str(place))
    try:
        kept = load_bundle(place / BUNDLE)
        record.check(kept, str(place))
        if given is None:
            return kept
        check_whole(kept)
    except CdimError as error:
        if given is None:
            raise unsound(place, record.model, record.fingerprint, error) from None
        mend: Callable[[Bundle, Path], object] = _replace
    else:
        mend = save_bundle  # the same vectors, but maybe new numbers or a new calibration
        if given == kept:
            return kept
    if not writable:
        return given
    mend(given, place / BUNDLE)
    return load_bundle(place / BUNDLE)


def unsound(place: object, model: str, fingerprint: str, error: CdimError) -> GalleryError:
    """The error of a gallery whose copy of its bundle is missing, damaged or another one."""
    return GalleryError(
        f"the gallery {place} has no sound copy of its bundle ({error.given})",
        f"it is of the model {model} ({fingerprint[:12]})",
        "open it with that bundle, which mends the copy",
        argument="model",
    )


def _replace(bundle: Bundle, copy: Path) -> None:
    """Puts a bundle in the place of a copy that is missing, damaged or another one."""
    fresh = copy.with_name(BUNDLE + ".new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        copy_bundle(bundle, fresh)
        shutil.rmtree(copy, ignore_errors=True)
        os.replace(fresh, copy)
    except OSError as error:
        raise GalleryError(
            f"cannot mend {copy} ({error})",
            "its folder can be written and has room",
            "free some space, or restore a backup",
        ) from None


def _make(place: Path, bundle: Bundle) -> tuple[Bundle, EdgeStore]:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place):
            if not is_gallery(place):
                text = json.dumps(strict.plain(Record.of(bundle)), indent=2)
                (place / MAKING).write_text(text + "\n", encoding="utf-8")
                for part in (BUNDLE, SHARD):
                    shutil.rmtree(place / part, ignore_errors=True)
                copy_bundle(bundle, place / BUNDLE)
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


def check_free(place: Path, create: bool) -> None:
    """Refuses a place that holds something else, or that may not be made a gallery."""
    try:
        there = {path.name for path in place.iterdir()} if place.exists() else set()
    except OSError as error:
        raise GalleryError(
            f"{place} is no folder that can be read ({error})",
            "a gallery is a folder that an indexing made",
            "check the path",
        ) from None
    if not create:
        otherwise = "check the path, or index a folder of images into a new gallery"
        raise GalleryError(
            f"{place} is no gallery: there is no {place / RECORD}",
            "a gallery is a folder that an indexing made",
            nearest_path(place, otherwise) if not place.exists() else otherwise,
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
        with (place / RECORD).open(encoding="utf-8") as file:
            table = json.loads(file.read(LONGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise GalleryError(
            f"cannot read {place / RECORD} ({error})",
            "it is the JSON file that cdim wrote",
            "restore a backup, or index into a new folder",
        ) from None
    return Record.read(table, str(place))
