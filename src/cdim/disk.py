"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cdim.errors import CdimError, DataError, UsageError


def write_whole(
    path: Path,
    content: bytes,
    error: type[CdimError] = DataError,
    todo: str = "choose another place or free some space",
    argument: str = "",
) -> None:
    """Writes a file whole or not at all, and has the disk keep it (fsync).

    Args:
        path: the file; an older one is replaced, and stays if writing fails.
        content: what it holds.
        error: raised where it cannot be written.
        todo, argument: what the reader does then, and the parameter for it, if there is one.

    Raises:
        CdimError: of the class `error`: the folder is missing, not writable or full.
        DataError: `path` names no file.
    """
    if not path.name:
        raise DataError(f"{str(path)!r} names no file", "a file is written", "give a file's name")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as failure:
        partial.unlink(missing_ok=True)
        full = failure.errno in (errno.ENOSPC, errno.EDQUOT)
        room = f"has room for {len(content) / 1e6:.1f} MB" if full else "can be written"
        raise error(
            f"cannot write {path} ({failure.strerror or failure})",
            f"the folder exists and {room}",
            todo,
            argument,
        ) from None


def free_folder(folder: Path) -> Path:
    """A folder that what is made whole may be written to, as an absolute path.

    Raises:
        UsageError: it holds something, or is the folder that the program runs in.
    """
    folder = Path(os.path.abspath(folder))
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(
            f"{folder} exists and is not an empty folder",
            "earlier results are not overwritten",
            "choose another folder",
            argument="out",
        )
    if folder == Path.cwd():
        raise UsageError(
            f"the current folder, {folder}", "the folder is made anew", "name another folder"
        )
    return folder
