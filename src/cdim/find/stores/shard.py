"""The files of a shard of Qdrant Edge: whose they are, opened, copied, built.

Qdrant Edge opens every file to write, and maps it: a file that is cut short, or a disk that is
full, ends the process. So room is looked for before each write, a copy is searched where nothing
can be written, and a process of its own builds the graph.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import qdrant_edge as edge

from cdim.errors import GalleryError

ROOM = (
    64 * 2**20
)  # bytes to open and to write: 1,000 items, twice, and the log's next part of 32 MB
ENDING = 2.0  # seconds that a build may take to end after its parent
_LOG = logging.getLogger(__name__)
_BUILT = "temp_segments"  # where Qdrant Edge builds; what a kill leaves there, nobody reads again
_BUILD = Path(__file__).with_name("build.py")


def load(folder: Path) -> edge.EdgeShard:
    """A shard, locked, without what ended builds left; waits for a build that is ending."""
    until = time.monotonic() + ENDING
    while True:
        try:
            with quiet():
                loaded = edge.EdgeShard.load(str(folder))
            shutil.rmtree(folder / _BUILT, ignore_errors=True)
            return loaded
        except Exception as error:  # noqa: PERF203 - it is tried again
            if "WouldBlock" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.05)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what Rust says of damaged files off stderr: it becomes an error, of one line."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def build(folder: Path) -> None:
    """Builds the graph of a shard that is closed; Ctrl-C ends it.

    Qdrant Edge holds the interpreter meanwhile, so it works in a process of its own.

    Raises:
        GalleryError: the disk has no room for a second copy of the shard.
        RuntimeError: what Qdrant Edge said.
    """
    check_room(folder, sum(map(_size, _inside(folder))))
    command = [sys.executable, str(_BUILD), str(folder), *sys.path]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - our own script
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as building,
    ):
        try:
            building.wait()
        except BaseException:
            building.kill()
            building.wait()  # until then it holds the lock
            raise
        if building.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"ended by {-building.returncode}")


def check_room(folder: Path, more: int = 0) -> None:
    """Refuses to write, by a `GalleryError`, where the disk is nearly full."""
    free, needed = shutil.disk_usage(folder.parent).free, ROOM + more
    if free < needed:
        raise GalleryError(
            f"the disk of {folder.parent} is full: {free / 1e6:,.0f} MB are free",
            f"a write needs {needed / 1e6:,.0f} MB; stored items are safe and can be searched",
            "free some space and try again",
        )


def check_own(place: Path) -> None:
    """Refuses a gallery that leads elsewhere: a stranger's may hold anything."""
    for path in _inside(place):
        with suppress(FileNotFoundError):  # its owner is at work
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise GalleryError(
                    f"{path} is a link, a pipe or a device",
                    "a gallery holds plain files and folders of its own",
                    "copy the gallery with what its links lead to, or index into a new folder",
                )


def why_read_only(folder: Path) -> str:
    """Why a shard cannot be opened where it is; "" if it can."""
    if not all(os.access(path, os.W_OK) or not path.exists() for path in _inside(folder)):
        return f"the gallery {folder.parent} is read-only"
    if shutil.disk_usage(folder.parent).free < ROOM:
        return f"the disk of the gallery {folder.parent} is full"
    return ""


@contextmanager
def copied(folder: Path, why: str) -> Iterator[Path]:
    """A copy in a temporary folder; `why` there is one is said."""
    size = sum(map(_size, _inside(folder)))
    home, free = tempfile.gettempdir(), shutil.disk_usage(tempfile.gettempdir()).free
    if size > free:
        raise GalleryError(
            f"{why}, and its {size / 1e6:,.0f} MB do not fit into {home}",
            f"a copy there is searched; {free / 1e6:,.0f} MB are free",
            "name a folder with more room by the environment variable TMPDIR",
        )
    with tempfile.TemporaryDirectory(prefix="cdim-gallery-") as made:
        _LOG.warning("%s: a copy of %.1f MB in %s is searched", why, size / 1e6, home)
        copy = Path(made, "shard")
        with owned(folder, alone=False), owned(folder / "wal", alone=False):
            built = shutil.ignore_patterns(_BUILT)
            shutil.copytree(folder, copy, copy_function=_copy, ignore=built)
        for path in _inside(copy):
            path.chmod(0o700)
        yield copy


def _inside(folder: Path) -> list[Path]:
    """A folder and all that is in it; what links lead to is not."""
    return [folder, *(Path(at, n) for at, dirs, files in os.walk(folder) for n in (*dirs, *files))]


def _size(path: Path) -> int:
    """Bytes on the disk: Qdrant Edge makes files large and leaves most of them empty."""
    status = path.stat()
    return min(status.st_size, 512 * getattr(status, "st_blocks", status.st_size))


def _copy(source: str, target: str) -> None:
    """Copies a file; what of it is empty takes no room."""
    with Path(source).open("rb") as read, Path(target).open("wb") as written:
        while block := read.read(2**16):
            if block.strip(b"\0"):
                written.write(block)
            else:
                written.seek(len(block), os.SEEK_CUR)
        written.truncate()


@contextmanager
def owned(folder: Path, alone: bool = True) -> Iterator[Path]:
    """The folder, with other processes kept away, on systems that have such locks.

    Qdrant Edge locks its log as well, but tidies the files of the owner before it comes to that.

    Raises:
        BlockingIOError: another process has it.
    """
    if sys.platform == "win32":
        yield folder
        return
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield folder
    finally:
        os.close(lock)
