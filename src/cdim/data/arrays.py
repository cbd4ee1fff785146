"""Arrays of files that people fetch: MATLAB v5 and `.npz`, read without running anything.

What a file says of its sizes is compared with what it holds before memory is taken, so that a
small file cannot ask for much: at most `MOST` bytes are unpacked, and no Python object is read.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.data.files import in_words
from cdim.errors import DataError

Arrays = dict[str, NDArray[Any]]
"""Arrays by their names."""

MOST = 256 * 2**20
"""Bytes of one file's arrays, unpacked."""

# Types of MATLAB's elements (MAT-File Format, table 1-1), and how NumPy names the numbers.
_KINDS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = [bytes([number]) for number in range(6, 16)]
"""Classes of arrays of numbers; others hold cells, structures or text."""
_HEADER, _VERSION = 128, 0x0100
_DIMENSIONS = 32  # as NumPy before 2 has at most
_NPY = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class _Element(NamedTuple):
    kind: int
    data: memoryview


def read_mat(content: bytes, name: str) -> Arrays:
    """The variables of a MATLAB v5 file, in the type in which their numbers are stored.

    Args:
        content: the file.
        name: what error messages call it.

    Returns:
        Arrays in MATLAB's order of memory; of cells, structures and text the shape alone, as an
        array of bytes 0.

    Raises:
        DataError: no MATLAB v5 file, damaged, or of more than `MOST` bytes.
    """
    try:
        version, order = struct.unpack_from("<H2s", content, _HEADER - 4)
        if version != _VERSION or order != b"IM":
            raise ValueError("it is not of version 5, written by a little-endian machine")
        found: Arrays = {}
        for element in _elements(memoryview(content)[_HEADER:], packed=True):
            if element.kind == _COMPRESSED:
                element = next(_elements(memoryview(_unpacked(element.data)), packed=False))
            if element.kind == _MATRIX:
                found.update([_matrix(element.data)])
    except (ValueError, struct.error, zlib.error, StopIteration) as error:
        raise DataError(
            f"cannot read {name} ({str(error) or 'it ends early'})",
            f"a MATLAB v5 file of at most {in_words(MOST)} is needed",
            "fetch the file again",
        ) from None
    return found


def mat_array(content: bytes, key: str, name: str) -> NDArray[np.uint8]:
    """The uint8 array `key` of the MATLAB v5 file that error messages call `name`.

    Raises:
        DataError: no MATLAB v5 file, no such variable, or not of uint8.
    """
    found = read_mat(content, name)
    array = found.get(key)
    if array is not None and array.dtype == np.uint8:
        return array
    raise DataError(
        f"{name} has the keys {', '.join(found) or '(none)'}"
        if array is None
        else f"{key!r} of {name} holds {array.dtype}",
        f"the key {key!r} is needed, of uint8",
        "this is not the file with the images",
    )


def _elements(data: memoryview, packed: bool) -> Iterator[_Element]:
    """The elements of a file or a matrix: a tag of type and size, then the bytes, padded to 8."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:  # a small element: type, size and at most four bytes in eight
            kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
        else:
            start, following = at + 8, at + 8 + size
            if not (packed and kind == _COMPRESSED):
                following += -size % 8
        if start + size > len(data):
            raise ValueError("it ends early")
        yield _Element(kind, data[start : start + size])
        at = following


def _unpacked(data: memoryview) -> bytes:
    unpacking = zlib.decompressobj()
    out = unpacking.decompress(data, MOST + 1)
    if len(out) > MOST:
        raise ValueError("it holds more")
    if not unpacking.eof:
        raise ValueError("it ends early")
    return out


def _matrix(data: memoryview) -> tuple[str, NDArray[Any]]:
    """A variable's name and array."""
    parts = _elements(data, packed=False)
    flags, sizes, name = next(parts).data, next(parts).data, next(parts).data
    shape = tuple(np.frombuffer(sizes, "<i4").tolist())
    if not 2 <= len(shape) <= _DIMENSIONS or min(shape) < 0 or math.prod(shape) > MOST:
        raise ValueError(f"an array of shape {shape}")
    title = bytes(name).decode("ascii", "replace")
    if bytes(flags[:1]) not in _NUMBERS:
        return title, np.broadcast_to(np.uint8(0), shape)
    kind, numbers = next(parts)
    if kind not in _KINDS:
        raise ValueError(f"numbers of the type {kind}")
    values = np.frombuffer(numbers, f"<{_KINDS[kind]}")
    return title, values.reshape(shape, order="F")


def read_npz(file: str | os.PathLike[str] | bytes, name: str) -> Arrays:
    """The arrays of an `.npz` file: numbers, truth values and text.

    Args:
        file: its path or its content.
        name: what error messages call it.

    Raises:
        DataError: no such file, no `.npz`, damaged, Python objects in it, or more than `MOST`
            bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else Path(file)) as packed:
            if sum(member.file_size for member in packed.infolist()) > MOST:
                raise ValueError(f"it holds more than {in_words(MOST)}")
            return {
                member.filename.removesuffix(".npy"): _npy(packed, member)
                for member in packed.infolist()
            }
    except _UNREADABLE as error:
        raise DataError(
            f"cannot read {name} ({error})",
            f"an .npz file of numbers, of at most {in_words(MOST)}, is needed",
            "check the file",
        ) from None


_UNREADABLE = (
    *(OSError, ValueError, EOFError, TypeError, SyntaxError, RuntimeError, NotImplementedError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""What zipfile and NumPy's reader of headers raise."""


def _npy(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array; a zip's directory may lie about sizes, so the bytes read count."""
    with packed.open(member) as stream:
        header = io.BytesIO(stream.read(2**16))
        version = np.lib.format.read_magic(header)
        if version not in _NPY:
            raise ValueError(f"{member.filename} is of the version {version}")
        shape, fortran, dtype = _NPY[version](header)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "biufSU" or min(shape, default=0) < 0 or size > MOST:
            raise ValueError(f"{member.filename} is an array of {dtype} of shape {shape}")
        data = bytearray(header.read())
        data += stream.read(size + 1 - min(len(data), size))
    if len(data) != size:
        raise ValueError(f"{member.filename} does not hold an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
