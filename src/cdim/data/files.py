"""Bytes of files and of members of zips, within limits."""

from __future__ import annotations

import contextlib
import math
import os
import stat
import struct
import zipfile
import zlib
from itertools import islice
from pathlib import Path

from cdim.errors import ImageError, nearest

MAX_BYTES = 2 * 2**30
"""Largest file of arrays that is opened."""
MOST_NAMES = 10_000
"""Most names of a folder among which the nearest is looked for."""

# What zipfile and zlib raise on files that cannot be read, are damaged or of another format.
_UNREADABLE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, RuntimeError, EOFError, zlib.error, struct.error, zipfile.BadZipFile),
)
with contextlib.suppress(ImportError):  # some Pythons are built without it
    import lzma

    _UNREADABLE += (lzma.LZMAError,)


def named(path: Path, member: str) -> str:
    """A file, or a member of a zip, for people."""
    return f"{path}!{member}" if member else str(path)


def missing(name: object) -> ImageError:
    """The error of a file, or of a member of a zip, that is not there."""
    return ImageError(
        f"there is no {name}", "every source names a file", "check the path and the data root"
    )


def nearest_path(path: Path, otherwise: str) -> str:
    """Ends a message about a path that is not there: the nearest one that is, if one is near."""
    path = Path(os.path.abspath(path))
    while not os.path.isdir(path.parent):
        path = path.parent
    if os.path.islink(path):
        return f"correct the link {path.name!r}: it leads to {os.readlink(path)!r}"
    try:
        names = [entry.name for entry in islice(os.scandir(path.parent), MOST_NAMES)]
    except OSError:
        names = []
    return nearest(path.name, names, otherwise)


def read_bytes(path: Path, member: str = "", limit: int = MAX_BYTES) -> bytes:
    """A file's content, or that of a member of a zip, of at most `limit` bytes.

    Raises:
        ImageError: nothing there, no zip, damaged, or larger than `limit`.
    """
    if not member:
        return content(path, "", None, limit)
    with open_zip(path) as archive:
        return content(path, member, archive, limit)


def content(path: Path, member: str, archive: zipfile.ZipFile | None, limit: int) -> bytes:
    """As `read_bytes`, with the zip already open; None if `path` is the file itself."""
    name = named(path, member)
    if archive is None:
        _check_file(path)
    try:
        with path.open("rb") if archive is None else archive.open(member) as file:
            # A zip's directory may lie about sizes: the bytes read count.
            data = file.read(limit + 1)
            size = archive.getinfo(member).file_size if archive else path.stat().st_size
    except (KeyError, FileNotFoundError):
        raise missing(name) from None
    except NotImplementedError as error:
        raise ImageError(
            f"cannot unpack {name} ({error})", "a plain zip is needed", "pack it again"
        ) from None
    except _UNREADABLE as error:
        raise ImageError(
            f"cannot read {name} ({error})", "a readable file is needed", "fetch the file again"
        ) from None
    if len(data) > limit:
        raise too_large(name, max(size, len(data)), limit)
    return data


def too_large(name: str, size: int, limit: int) -> ImageError:
    """The error of a file of more than `limit` bytes."""
    read = f"at most {in_words(limit)} are read"
    return ImageError(f"{name} has {in_words(size)}", read, "make it smaller")


def in_words(size: int) -> str:
    """A number of bytes for people, rounded up.

    >>> in_words(100), in_words(12_345_678), in_words(32 * 2**20)
    ('100 bytes', '11.8 MB', '32 MB')
    """
    for unit, one in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if size >= one:
            return f"{math.ceil(10 * size / one) / 10:g} {unit}"
    return f"{size} bytes"


def _check_file(path: Path) -> None:
    """Refuses what is no file before it is opened: a pipe waits, and a device may never end."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise ImageError(
            f"cannot read {path} ({error})", "a readable file is needed", "check the path"
        ) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise ImageError(f"{path} is {kind}", "a file is needed", "name a file")


def open_zip(path: Path) -> zipfile.ZipFile:
    """Opens a zip for reading; the caller closes it. Raises an ImageError where there is none."""
    _check_file(path)
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ImageError(
            f"cannot open {path} ({error})", "a zip file is needed", "fetch the file again"
        ) from None
    for info in archive.infolist():
        if "\\" in info.filename:  # as some programs on Windows pack them
            info.filename = info.filename.replace("\\", "/")
            archive.NameToInfo[info.filename] = info
    return archive
