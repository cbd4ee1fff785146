"""The one table every dataset becomes: a row an image.

A `Manifest` is validated when it is built and cannot be changed afterwards, so
everything behind it may trust it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.data import foreign, tables
from cdim.disk import write_whole
from cdim.errors import DataError, MissingExtra, nearest
from cdim.strict import checked

Source = str | NDArray[np.uint8]
"""Where an image is: a locator (see `cdim.data.images`), or pixels, uint8 (h, w) or (h, w, 3)."""

SPLITS = ("", "train", "val", "test")
ROLES = ("", "query", "gallery", "both", "junk", "multi-query")
"""both: query and gallery at once; junk: searched but neither right nor wrong; multi-query: more
views of a query, not searched."""
QUERY, GALLERY = ("query", "both"), ("gallery", "both")
"""The roles of what is searched with, and of what is searched for."""
COLUMNS = ("source", "instance", "domain", "split", "role", "camera", "category")
NO_CAMERA = -1


class ImageRow(NamedTuple):
    """One image of a manifest."""

    source: Source
    instance: str
    domain: str
    split: str
    role: str
    camera: int
    category: str
    metadata: dict[str, str]


def _text_column(name: str, values: Iterable[object], length: int) -> NDArray[np.str_]:
    column = np.array([str(value) for value in values], dtype=np.str_)
    if len(column) != length:
        raise DataError(
            f"column {name!r} has {len(column)} values for {length} images",
            "every column has one value an image",
            "make the columns equally long",
        )
    column.setflags(write=False)
    return column


def _one_of(name: str, column: NDArray[np.str_], allowed: Sequence[str], at: tables.At) -> None:
    for value in np.unique(column):
        if value not in allowed:
            row = int(np.flatnonzero(column == value)[0])
            raise DataError(
                f"{name} {str(value)!r} in {at(row)}",
                f"a {name} is one of {', '.join(repr(a) for a in allowed)}",
                nearest(str(value), [a for a in allowed if a]),
            )


@dataclass(frozen=True, eq=False, repr=False)
class Manifest:
    """Images and their labels, one row each, immutable.

    Args:
        source: n locators or uint8 arrays; relative locators start at `root`.
        instance: n names; equal names mean the same physical thing.
        domain: n names such as "sketch", "edge", "photo".
        split: n of "train", "val", "test" or "".
        role: n of `ROLES`.
        camera: n integers; -1 where there is no camera.
        category: n names such as "shoe"; "" where unknown.
        metadata: more text columns by name, n values each.
        root: folder that relative locators start at.
        at: how messages call a row; by its number from 0 if not given.

    Raises:
        DataError: columns of unequal length, an unknown split or role, an empty
            instance or domain, a camera that is no integer, the same image twice.
    """

    source: Sequence[Source]
    instance: NDArray[np.str_]
    domain: NDArray[np.str_]
    split: NDArray[np.str_]
    role: NDArray[np.str_]
    camera: NDArray[np.int64]
    category: NDArray[np.str_]
    metadata: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    root: Path = field(default_factory=Path)
    at: InitVar[tables.At | None] = None

    def __post_init__(self, at: tables.At | None) -> None:
        at = at or "row {}".format
        source = tuple(s if isinstance(s, np.ndarray) else str(s) for s in self.source)
        n = len(source)
        put: Callable[[str, object], None] = lambda k, v: object.__setattr__(self, k, v)  # noqa: E731
        put("source", source)
        for name in ("instance", "domain", "split", "role", "category"):
            put(name, _text_column(name, getattr(self, name), n))
        put("camera", _camera_column(self.camera, n, at))
        extra = {k: _text_column(k, v, n) for k, v in self.metadata.items()}
        for name in extra:
            if name in COLUMNS:
                raise DataError(
                    f"metadata column {name!r}",
                    "metadata may not reuse the name of a manifest column",
                    "rename the column",
                )
        put("metadata", MappingProxyType(extra))
        put("root", Path(self.root))
        self._check(at)

    def _check(self, at: tables.At) -> None:
        _one_of("split", self.split, SPLITS, at)
        _one_of("role", self.role, ROLES, at)
        for name in ("instance", "domain"):
            empty = np.flatnonzero(getattr(self, name) == "")
            if len(empty):
                raise DataError(
                    f"no {name} in {at(int(empty[0]))}",
                    f"every image names its {name}",
                    f"fill the column {name!r}",
                )
        seen: dict[str, int] = {}
        for row, item in enumerate(self.source):
            if isinstance(item, np.ndarray):
                if not holds_image(item):
                    raise DataError(
                        f"{at(row)} is an array of {item.dtype} {item.shape}",
                        "pixels are uint8 of shape (h, w) or (h, w, 3), 0 to 255",
                        "convert the array",
                    )
            elif not item:
                raise DataError(f"no source in {at(row)}", "every image has a source", "fill it in")
            elif seen.setdefault(item, row) != row:
                raise DataError(
                    f"{item!r} in {at(seen[item])} and {at(row)}",
                    "an image is listed once",
                    "remove one of the rows",
                )

    @classmethod
    def build(
        cls,
        source: Sequence[Source],
        instance: Iterable[object],
        *,
        domain: str | Iterable[str] = "photo",
        split: str | Iterable[str] = "",
        role: str | Iterable[str] = "",
        camera: int | Iterable[int] = NO_CAMERA,
        category: str | Iterable[str] = "",
        metadata: Mapping[str, Iterable[object]] | None = None,
        root: str | os.PathLike[str] = ".",
        at: tables.At | None = None,
    ) -> Manifest:
        """Builds a manifest from columns; one plain value fills a whole column.

        >>> m = Manifest.build(["a.png", "b.png"], [7, 7], domain=["sketch", "photo"])
        >>> len(m), m.instance.tolist(), m.domain.tolist()
        (2, ['7', '7'], ['sketch', 'photo'])
        """
        given = (instance, domain, split, role, camera, category)
        columns: list[Any] = [
            [v] * len(source) if isinstance(v, str | int) else list(v) for v in given
        ]
        columns += [{k: list(v) for k, v in (metadata or {}).items()}, Path(root), at]
        return cls(source, *columns)

    def __repr__(self) -> str:
        domains = " and ".join(np.unique(self.domain).tolist())
        instances = len(np.unique(self.instance))
        return f"<Manifest of {len(self):,} images: {domains}, {instances:,} instances>"

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> Iterator[ImageRow]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, row: int) -> ImageRow:
        return ImageRow(
            self.source[row],
            str(self.instance[row]),
            str(self.domain[row]),
            str(self.split[row]),
            str(self.role[row]),
            int(self.camera[row]),
            str(self.category[row]),
            {k: str(v[row]) for k, v in self.metadata.items()},
        )

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | Sequence[int]) -> Manifest:
        """The rows named by a mask (n,) or by indices, in that order."""
        index = np.arange(len(self))[np.asarray(rows, dtype=None if len(rows) else np.intp)]
        columns: dict[str, Any] = {k: getattr(self, k)[index] for k in COLUMNS[1:]}
        metadata = {k: v[index] for k, v in self.metadata.items()}
        source = [self.source[i] for i in index]
        return Manifest(source, **columns, metadata=metadata, root=self.root)

    def where(self, **wanted: str | int | Iterable[str]) -> Manifest:
        """The rows whose columns have the wanted value, or one of the wanted values.

        >>> m = Manifest.build(["a", "b"], [1, 2], split=["train", "test"])
        >>> m.where(split="test").instance.tolist()
        ['2']

        Raises:
            DataError: a column that does not exist.
        """
        mask = np.ones(len(self), dtype=bool)
        for name, value in wanted.items():
            values = [value] if isinstance(value, str | int) else list(value)
            mask &= np.isin(self.column(name), values)
        return self.take(mask)

    def column(self, name: str) -> NDArray[Any]:
        """One column (n,) by name, metadata included.

        Raises:
            DataError: no such column.
        """
        if name in COLUMNS[1:]:
            return np.asarray(getattr(self, name))
        if name in self.metadata:
            return self.metadata[name]
        known = [*COLUMNS[1:], *self.metadata]
        raise DataError(
            f"column {name!r}", f"the columns are {', '.join(known)}", nearest(name, known)
        )

    @staticmethod
    @checked
    def concat(parts: Sequence[Manifest]) -> Manifest:
        """All rows of several manifests; sources become absolute where the roots differ.

        Metadata that a part lacks is "" there.
        """
        if not parts:
            raise DataError("no manifests to join", "at least one is needed", "name a dataset")
        same_root = all(p.root == parts[0].root for p in parts)
        names = list(dict.fromkeys(name for p in parts for name in p.metadata))
        columns: dict[str, Any] = {
            k: np.concatenate([getattr(p, k) for p in parts]) for k in COLUMNS[1:]
        }
        metadata = {
            k: np.concatenate([p.metadata.get(k, np.full(len(p), "")) for p in parts])
            for k in names
        }
        source = [s if same_root else absolute(s, p.root) for p in parts for s in p.source]
        root = parts[0].root if same_root else Path()
        return Manifest(source, **columns, metadata=metadata, root=root)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the table as UTF-8 CSV, sources relative to the file where they can be.

        Raises:
            DataError: an image is an array in memory, which a CSV cannot hold, or the file cannot
                be written.
        """
        target = Path(path)
        here = target.resolve().parent
        lines = [tables.line([*COLUMNS, *self.metadata])]
        for number, row in enumerate(self):
            if isinstance(row.source, np.ndarray):
                raise DataError(
                    f"row {number} holds its pixels in memory",
                    "a CSV holds paths",
                    "save the image to a file and name that",
                )
            source = str(absolute(row.source, self.root)).removeprefix(f"{here}{os.sep}")
            lines.append(tables.line([source, *row[1:7], *row.metadata.values()]))
        write_whole(target, "".join(lines).encode())

    @classmethod
    @checked
    def from_csv(cls, path: str | Path) -> Manifest:
        """Reads a CSV with a header; OML's and wildlife-datasets' column names are understood.

        Equal rows count once. Messages name the lines of the file.

        Raises:
            DataError: no such file, no table (see `cdim.data.tables`), no source or instance
                column, an image in rows that differ, or a value a manifest refuses.
        """
        table = tables.read(Path(path), {*COLUMNS, *foreign.NAMES})
        return cls._from_columns(table.columns, Path(path).parent, str(path), table.at)

    @classmethod
    def from_frame(cls, frame: Any, root: str | os.PathLike[str] = ".") -> Manifest:
        """Reads a pandas DataFrame with the columns of `from_csv`; missing values become "".

        Raises:
            DataError: as `from_csv`.
        """
        columns = {
            str(k): list(frame[k].astype(object).where(frame[k].notna(), "")) for k in frame.columns
        }
        return cls._from_columns(
            columns, Path(root), "the DataFrame", "row {} of the DataFrame".format
        )

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame (`pip install pandas`).

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtra(
                "pandas is not installed", "to_frame needs it", "pip install pandas"
            ) from None
        columns = {k: getattr(self, k) for k in COLUMNS[1:]}
        return pandas.DataFrame({"source": list(self.source), **columns, **self.metadata})

    @classmethod
    def _from_columns(
        cls, given: dict[str, list[Any]], root: Path, origin: str, at: tables.At
    ) -> Manifest:
        columns, at = foreign.understood(given, root, origin, at)
        table: dict[str, Any] = {k: v for k, v in columns.items() if k in COLUMNS}
        metadata = {k: v for k, v in columns.items() if k not in COLUMNS}
        return cls.build(**table, metadata=metadata, root=root, at=at)


def _camera_column(values: Iterable[Any], n: int, at: tables.At) -> NDArray[np.int64]:
    cameras = []
    for row, value in enumerate(values):
        try:
            number = float(NO_CAMERA if value is None or value == "" else value)
        except (TypeError, ValueError):
            number = np.nan
        if number != np.floor(number) or not abs(number) < 2**53:
            raise DataError(
                f"camera {value!r} in {at(row)}",
                "a camera is a whole number, or -1 for none",
                "number the cameras",
            )
        cameras.append(int(number))
    if len(cameras) != n:
        _text_column("camera", cameras, n)
    column = np.array(cameras, dtype=np.int64)
    column.setflags(write=False)
    return column


def holds_image(pixels: NDArray[Any]) -> bool:
    """Whether an array is an image: uint8 (h, w) or (h, w, 3), not empty."""
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    return shaped and pixels.dtype == np.uint8 and pixels.size > 0


def absolute(source: Source, root: Path) -> Source:
    """A locator that no longer depends on `root`; arrays and made-up images stay as they are."""
    if isinstance(source, np.ndarray) or source.startswith("synthetic:"):
        return source
    return os.path.abspath(root / source)
