"""What lies in a folder or a zip: files, and what is passed over, each with its reason.

Passed over are hidden files, system folders such as `@eaDir` and `$RECYCLE.BIN`, what a glob of the
caller excludes, folders that cannot be listed, links to folders, links that lead nowhere, pipes,
sockets, devices, and names that are not UTF-8. Nothing of these is ever opened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from cdim.data.formats import SUFFIXES
from cdim.errors import DataError

SYSTEM, HIDDEN, EXCLUDED = "in a system folder", "hidden", "excluded"
CLOSED, LINK, BROKEN = "closed folder", "link to a folder", "broken link"
SPECIAL, ENCODING = "pipe, socket or device", "name that is not UTF-8"
NO_SUFFIX = "without a known suffix"
NO_PLACE, NO_GALLERY = "outside of the layout", "outside of the gallery"
UNSEEN = (CLOSED, LINK, BROKEN, SPECIAL)
"""Reasons of what is there and cannot be looked into."""
_MANY = {
    SYSTEM: "in system folders",
    CLOSED: "closed folders",
    LINK: "links to folders",
    BROKEN: "broken links",
    SPECIAL: "pipes, sockets or devices",
    ENCODING: "names that are not UTF-8",
}
# What NAS boxes, recycle bins, macOS and file systems keep beside the files of people.
_SYSTEM = frozenset(
    (
        *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin"),
        *("recycler", "system volume information", "lost+found", "__macosx"),
    )
)
_KINDS = 8  # reasons that a summary tells apart
_SUFFIX = 9  # characters of the longest suffix that is one


class Omission(NamedTuple):
    """What is passed over."""

    name: str  # its path below the folder, "/"-separated; that of a folder ends in "/"
    reason: str  # in a few words, for counting: one of this module's, or the suffix


def summary(left_out: Iterable[Omission]) -> str:
    """All that is passed over, in one line; "" for nothing.

    >>> summary([Omission("a.txt", ".txt"), Omission("b/", CLOSED), Omission("c.txt", ".txt")])
    '3 left out: 2 .txt, 1 closed folder'
    """
    counts = Counter(reason for _, reason in left_out)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{n:,} {_MANY.get(why, why) if n > 1 else why}" for why, n in ordered[:_KINDS]]
    rest = sum(n for _, n in ordered[_KINDS:])
    if rest:
        words.append(f"{rest:,} of other kinds")
    return f"{counts.total():,} left out: {', '.join(words)}" if words else ""


def names_image(name: str) -> bool:
    """Whether a file's suffix is that of an image."""
    return name.lower().endswith(SUFFIXES)


def suffix(name: str) -> str:
    """A file's suffix in small letters, as a reason.

    >>> suffix("Thumbs.DB"), suffix("notes"), suffix("a.jpg~")
    ('.db', 'without a known suffix', 'without a known suffix')
    """
    end = os.path.splitext(name)[1].lower()
    return end if end[1:].isalnum() and len(end) <= _SUFFIX else NO_SUFFIX


def reason(name: str, exclude: Sequence[str]) -> str:
    """Why a path below a folder is passed over by its name; "" where it is not.

    Args:
        name: "/"-separated; that of a folder ends in "/".
        exclude: globs of whole paths or of the name of a file or folder in one; what lies in such
            a folder is passed over, too.
    """
    if any(_matches(name, glob.removeprefix("./").rstrip("/")) for glob in exclude):
        return EXCLUDED
    try:
        name.encode()
    except UnicodeEncodeError:
        return ENCODING
    parts = name.split("/")
    if any(part.lower() in _SYSTEM for part in parts[:-1]):
        return SYSTEM
    return HIDDEN if any(part.startswith(".") for part in parts) else ""


def walk(root: Path, exclude: Sequence[str]) -> tuple[list[str], list[Omission]]:
    """The files below a folder, and what is passed over, in no order.

    Raises:
        DataError: the folder itself cannot be listed.
    """
    names: list[str] = []
    left_out: list[Omission] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            found = list(_listed(root, folder))
        except OSError as error:
            if not folder:
                raise DataError(
                    f"cannot read the folder {root} ({error.strerror})",
                    "a folder is searched for images",
                    "check its permissions",
                ) from None
            found = [(f"{folder}/", CLOSED)]
        for name, kind in found:
            why = reason(name, exclude) or kind
            if kind == "folder":
                waiting.append(name.rstrip("/"))
            elif why == "file":
                names.append(name)
            else:
                shown = name.encode("utf-8", "backslashreplace").decode()
                left_out.append(Omission(shown, why))
    return names, left_out


def _listed(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """What lies in one folder: "file", "folder", or the reason to pass it over."""
    with os.scandir(root / folder) as entries:
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir():
                    yield f"{name}/", LINK if entry.is_symlink() else "folder"
                elif entry.is_file():
                    yield name, "file"
                else:
                    yield name, SPECIAL if os.path.exists(entry.path) else BROKEN
            except OSError:  # a link in a circle, or into a closed folder
                yield name, BROKEN


def _matches(name: str, glob: str) -> bool:
    parts = name.rstrip("/").split("/")
    paths = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    # With a "/" before it, a path at the top matches "**/x" as well.
    return any(fnmatchcase(one, glob) for path in paths for one in (path, f"/{path}")) or any(
        fnmatchcase(part, glob) for part in parts
    )
