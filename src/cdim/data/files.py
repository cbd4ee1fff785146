"""Bytes of files and of members of zips, and arrays of MATLAB files, within limits."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.errors import DataError, ImageError

MAX_BYTES = 2 * 2**30
"""Largest file of arrays that is opened."""

# What files and members of zips raise where they cannot be read, or are damaged.
_UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
with contextlib.suppress(ImportError):  # some Pythons are built without it
    import lzma

    _UNREADABLE += (lzma.LZMAError,)

# What SciPy raises on files that are damaged or not MATLAB v5 at all, beside its MatReadError.
_NOT_MATLAB = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


def read_bytes(path: Path, member: str = "", limit: int = MAX_BYTES) -> bytes:
    """A file's content, or that of a member of a zip.

    Args:
        path: the file, or the zip.
        member: name in the zip; "" if `path` is the file itself.
        limit: most bytes that are read.

    Raises:
        ImageError: nothing there, no zip, damaged, or larger than `limit`.
    """
    if not member:
        return content(path, "", None, limit)
    with open_zip(path) as archive:
        return content(path, member, archive, limit)


def content(path: Path, member: str, archive: zipfile.ZipFile | None, limit: int) -> bytes:
    """As `read_bytes`, with the zip already open; None if `path` is the file itself."""
    name = f"{path}!{member}" if member else str(path)
    try:
        with path.open("rb") if archive is None else archive.open(member) as file:
            # A zip's directory may lie about sizes: the bytes read count.
            data = file.read(limit + 1)
    except (KeyError, FileNotFoundError):
        raise ImageError(
            f"there is no {name}", "every source names a file", "check the path and the data root"
        ) from None
    except NotImplementedError as error:
        raise ImageError(
            f"cannot unpack {name} ({error})", "a plain zip is needed", "pack it again"
        ) from None
    except _UNREADABLE as error:
        raise ImageError(
            f"cannot read {name} ({error})", "a readable file is needed", "fetch the file again"
        ) from None
    if len(data) > limit:
        raise ImageError(
            f"{name} has more than {limit} bytes", "that is the limit", "make the file smaller"
        )
    return data


def open_zip(path: Path) -> zipfile.ZipFile:
    """Opens a zip for reading; the caller closes it.

    Raises:
        ImageError: no such file, or no zip.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ImageError(
            f"there is no {path}", "a zip file is needed", "check the path and the data root"
        ) from None
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise ImageError(
            f"cannot open {path} ({error})", "a zip file is needed", "fetch the file again"
        ) from None


def mat_array(content: bytes, key: str, name: str) -> NDArray[np.uint8]:
    """An array of uint8 of a MATLAB v5 file.

    Args:
        content: the file's bytes.
        key: the variable's name.
        name: what error messages call the file.

    Raises:
        DataError: no MATLAB v5 file, no such variable, or not of uint8.
    """
    # Imported here: it takes longer to start than a search.
    import scipy.io
    from scipy.io.matlab import MatReadError

    try:
        # SciPy's stubs know of paths only.
        stream: Any = io.BytesIO(content)
        found: dict[str, Any] = scipy.io.loadmat(stream, variable_names=[key])
    except (*_NOT_MATLAB, MatReadError) as error:
        raise DataError(
            f"cannot read {name} ({error})", "a MATLAB v5 file is needed", "fetch the file again"
        ) from None
    if key not in found:
        raise DataError(
            f"{name} has the keys {', '.join(mat_keys(content)) or '(none)'}",
            f"the key {key!r} is needed",
            "this is not the file with the images",
        )
    array = found[key]
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        raise DataError(
            f"{key!r} of {name} holds {getattr(array, 'dtype', type(array))}",
            "uint8 is needed",
            "this is not the file with the images",
        )
    return array


def mat_keys(content: bytes) -> list[str]:
    """The names of a MATLAB v5 file's variables."""
    import scipy.io

    stream: Any = io.BytesIO(content)
    return [str(name) for name, *_ in scipy.io.whosmat(stream)]
