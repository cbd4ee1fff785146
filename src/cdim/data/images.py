"""Locators to safe pixels.

A locator says where an image is, relative to a manifest's root:

    shoe.jpg                     an image file
    photos.zip!dir/shoe.jpg      a member of a zip, read in place; nothing is unpacked
    edges.mat#17                 row 17 of the uint8 array `data` (n, h, w) of a MATLAB v5 file
    edges.mat#17@frame           the same with its outermost pixels painted white
    strokes.npz#key              a drawing (see `cdim.data.strokes`), drawn 256 x 256
    strokes.npz#key@0.5          that drawing after half of its points
    drawings.ndjson#3            the drawing of a line, from 1 (see `cdim.data.drawings`)
    sets.zip!strokes.npz#key     files in a zip work the same way
    synthetic:...                made on the fly (see `cdim.data.synthetic.dataset`)
    shoe.jpg#xywh=8,16,64,32     a box of an image: left, top, width and height in pixels of the
                                 upright image (W3C Media Fragments); any locator may end so

A file whose own name is such a text comes first.

`@frame` exists because the shoe and chair edge maps of QMUL v1 were released with a
grey frame of one pixel. The QMUL reader asks for it to be removed; without `@frame`
the pixels come as released.
"""

from __future__ import annotations

import functools
import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.data import files, strokes
from cdim.data.arrays import mat_array
from cdim.data.decoding import decoded
from cdim.data.drawings import DrawingLines
from cdim.data.formats import ENOUGH, decode, shrunk
from cdim.data.manifest import Manifest, Source
from cdim.data.preprocess import Preprocess
from cdim.errors import DataError, ImageError

MAX_BYTES = 64 * 2**20
"""Largest image file that is opened."""
_STEP = 64  # images between two reports of progress

_IN_ARRAY = re.compile(
    r"^(.+?\.(?:mat|npz|ndjson|json))#(.+?)(?:@(frame|[0-9.]+))?$", re.IGNORECASE | re.DOTALL
)
_IN_ZIP = re.compile(r"^(.+?\.zip)!(.+)$", re.IGNORECASE | re.DOTALL)
_BOX = re.compile(r"^(.+)#xywh=(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})$", re.DOTALL)


class Place(NamedTuple):
    """Where an image lies on disk."""

    path: Path  # the file
    member: str  # of the file, if it is a zip; else ""
    key: str  # of the image in the file or member, if that holds several; else ""
    extra: str  # what stands behind the @ of a locator with a key; else ""
    box: tuple[int, ...] = ()  # left, top, width and height in the image; () for all of it

    @property
    def in_mat(self) -> bool:
        """Whether it is a row of an array of a MATLAB file."""
        return (self.member or self.path.name).lower().endswith(".mat")


def place(source: str, root: Path) -> Place:
    """Where the image of a locator lies. A file of that whole name comes first."""
    file, member, key, extra = source, "", "", ""
    if ("!" in source or "#" in source) and not os.path.isfile(root / source):
        if boxed := _BOX.match(source):
            box = tuple(map(int, boxed.groups()[1:]))
            return place(boxed[1], root)._replace(box=box)
        if inside := _IN_ARRAY.match(file):
            file, key, extra = inside.groups("")
        if zipped := _IN_ZIP.match(file):
            file, member = zipped.groups()
    return Place(Path(os.path.abspath(root / file)), member, key, extra)


def read(source: Source, root: str | os.PathLike[str] = ".") -> NDArray[np.uint8]:
    """The pixels that a locator, which may start at `root`, names.

    Returns:
        uint8 (h, w) for grey images, (h, w, 3) for colour.

    Raises:
        ImageError: nothing there, or it cannot be read; names the file.
    """
    with Files(enough=0) as opened:
        return opened.read(source, Path(root))


def load_stack(
    manifest: Manifest, preprocess: Preprocess, progress: Callable[[int, int], None] | None = None
) -> NDArray[np.uint8]:
    """Every image of a manifest, decoded by threads and put through `preprocess.load`.

    Returns uint8 (n, *preprocess.resize, channels); `progress` is called with (images done, n)
    now and then, from this thread.

    Raises:
        ImageError: the first image, in the manifest's order, that cannot be read.
    """
    n = len(manifest)
    stack = np.empty((n, *preprocess.resize, preprocess.channels), dtype=np.uint8)
    with Files() as opened:

        def load(row: int) -> None:
            stack[row] = preprocess.load(opened.read(manifest.source[row], manifest.root))

        for done, _ in enumerate(decoded(load, range(n), 4 * _STEP), start=1):
            if progress is not None and (done % _STEP == 0 or done == n):
                progress(done, n)
    return stack


class Files(ExitStack):
    """Reads many images: zips are held open, with one lock, so that threads may share a reader.

    Leaving its context closes them.

    Args:
        enough: as for `cdim.data.formats.decode`; images with a box keep all pixels.
    """

    def __init__(self, enough: int = ENOUGH) -> None:
        super().__init__()
        self._enough = enough
        self._zips: dict[Path, zipfile.ZipFile] = {}
        self._lock = threading.Lock()

    def read(self, source: Source, root: Path) -> NDArray[np.uint8]:
        """One image, as `cdim.data.images.read`."""
        if isinstance(source, np.ndarray):
            return source
        if source.startswith("synthetic:"):
            from cdim.data.synthetic import dataset

            return dataset.render(source)
        where = place(source, root)
        pixels = self._pixels(where, source)
        if not where.box:
            return pixels
        shrink = 1 if where.key else shrunk(self._bytes(where.path, where.member), source)
        return _cropped(pixels, where.box, shrink, source)

    def drawing(self, source: str, root: Path) -> strokes.Strokes | None:
        """The strokes that a locator names; None for an image of pixels."""
        where = place(source, root)
        if not where.key or where.box or where.in_mat:
            return None
        with _of_image(source):
            return _drawing(where)

    def _pixels(self, where: Place, source: str) -> NDArray[np.uint8]:
        if not where.key:
            enough = 0 if where.box else self._enough
            return decode(self._bytes(where.path, where.member), source, enough)
        with _of_image(source):
            if not where.in_mat:
                return strokes.draw(_drawing(where))
            with _CACHE_LOCK:
                data = _mat(where.path, where.member, _stamp(where.path))
            return _row(data, where.key, where.extra, source)

    def content(self, source: Source, root: Path) -> bytes:
        """The image file that a locator names; b"" for arrays, drawings and what is made up."""
        if isinstance(source, np.ndarray) or source.startswith("synthetic:"):
            return b""
        path, member, key, _, _ = place(source, root)
        return b"" if key else self._bytes(path, member)

    def _bytes(self, path: Path, member: str) -> bytes:
        if not member:
            return files.content(path, "", None, MAX_BYTES)
        with self._lock:
            if path not in self._zips:
                self._zips[path] = self.enter_context(files.open_zip(path))
            return files.content(path, member, self._zips[path], MAX_BYTES)


_CACHE_LOCK = threading.Lock()


@functools.lru_cache(maxsize=8)
def _mat(path: Path, member: str, stamp: tuple[int, int]) -> NDArray[np.uint8]:
    """The array `data` of a MATLAB file; `stamp` tells a changed file from a known one."""
    del stamp
    return mat_array(files.read_bytes(path, member), "data", files.named(path, member))


@functools.lru_cache(maxsize=4)
def _strokes(path: Path, member: str, stamp: tuple[int, int]) -> strokes.StrokeFile | DrawingLines:
    del stamp
    data, name = files.read_bytes(path, member), files.named(path, member)
    opened = strokes.open_file if name.lower().endswith(".npz") else DrawingLines
    return opened(data, name)


def _drawing(where: Place) -> strokes.Strokes:
    with _CACHE_LOCK:
        file = _strokes(where.path, where.member, _stamp(where.path))
    return file[where.key].upto(_share(where.extra))


@contextmanager
def _of_image(source: str) -> Iterator[None]:
    """Turns what is wrong with a file of several images into an error of one of them."""
    try:
        yield
    except ImageError:
        raise
    except DataError as error:
        raise ImageError(f"{source}: {error.given}", error.allowed, error.todo) from None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        raise files.missing(path) from None
    return status.st_mtime_ns, status.st_size


def _row(data: NDArray[np.uint8], key: str, extra: str, source: str) -> NDArray[np.uint8]:
    there = data.ndim == 3 and key.isdecimal() and int(key) < len(data)
    if not there or extra not in ("", "frame"):
        raise ImageError(
            f"{source}: row {key!r} of an array of shape {data.shape}",
            "images are (n, h, w); a locator ends in #row or #row@frame, rows from 0",
            "check the locator and the file",
        )
    image: NDArray[np.uint8] = data[int(key)].copy()
    if extra:
        image[[0, -1], :] = image[:, [0, -1]] = 255
    return image


def _cropped(
    pixels: NDArray[np.uint8], box: tuple[int, ...], shrink: int, source: str
) -> NDArray[np.uint8]:
    """The part of an image inside a box, which may reach beyond the right and lower edge."""
    left, top, width, height = box
    right, bottom = (-(-end // shrink) for end in (left + width, top + height))
    part = pixels[top // shrink : bottom, left // shrink : right]
    if not part.size:
        tall, wide = (shrink * side for side in pixels.shape[:2])
        raise ImageError(
            f"{source}: a box of an image of {wide} x {tall} pixels",
            "a box is left, top, width and height in pixels, and holds a part of the image",
            "correct the box",
        )
    return part.copy()


def _share(extra: str) -> float:
    try:
        return float(extra or 1)
    except ValueError:
        raise DataError(
            f"@{extra}", "behind the @ stands a share, such as 0.5", "check the locator"
        ) from None
