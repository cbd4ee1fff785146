"""A released folder or the zip it came in, behind one face; nothing is ever unpacked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cdim.data import files
from cdim.data.formats import SUFFIXES
from cdim.data.listing import UNSEEN, Omission, names_image, reason, suffix, summary, walk
from cdim.errors import DataError


def located(root: Path, candidates: Iterable[str], what: str) -> Path:
    """The first candidate that exists below `root`; a DataError where none does."""
    names = list(candidates)
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(
        f"{what} is not in {root}",
        f"one of {', '.join(names)} is needed there",
        "see the list of datasets for where to get it, then name its folder by the environment "
        "variable CDIM_DATA, or give it",
        argument="data",
    )


def no_images(tree: Tree) -> DataError:
    """The error of a folder or a zip without images; it names what there is."""
    there = summary(tree.left_out)
    return DataError(
        f"no images in {tree.path}" + (f" ({there})" if there else ""),
        f"images end in {', '.join(SUFFIXES)}",
        "check the path",
    )


@dataclass(frozen=True)
class Tree:
    """Files of a folder or a zip, by their names below it."""

    path: Path  # the folder or the zip
    names: tuple[str, ...]  # the files, "/"-separated, sorted
    passed: tuple[Omission, ...] = ()  # what was passed over while listing, see `cdim.data.listing`

    @classmethod
    def open(cls, path: Path, exclude: Sequence[str] = ()) -> Tree:
        """Lists a folder or a zip.

        Args:
            path: the folder or the zip.
            exclude: globs of paths or names to pass over, such as "old/*" or "*.bak.jpg".

        Raises:
            DataError: neither, a folder that cannot be listed, or a zip with a member that points
                outside of it.
        """
        if path.is_dir():
            found, passed = walk(path, exclude)
            return cls(path, tuple(sorted(found)), tuple(sorted(passed)))
        with files.open_zip(path) as archive:
            members = sorted({m.filename for m in archive.infolist() if not m.is_dir()})
        for name in members:
            if name.startswith("/") or "/../" in f"/{name}/":
                raise DataError(
                    f"{path} has a member {name!r}",
                    "members lie inside the zip",
                    "this is not the released file: do not trust it",
                )
        why = {name: reason(name, exclude) for name in members}
        passed = [Omission(name, why[name]) for name in members if why[name]]
        return cls(path, tuple(name for name in members if not why[name]), tuple(passed))

    @classmethod
    def find(cls, root: Path, candidates: Iterable[str], what: str) -> Tree:
        """Opens the first candidate that exists below `root`; a DataError where none does."""
        return cls.open(located(root, candidates, what))

    @cached_property
    def images(self) -> tuple[str, ...]:
        """Those of `names` that end in an image's suffix."""
        return tuple(name for name in self.names if names_image(name))

    @property
    def left_out(self) -> tuple[Omission, ...]:
        """All that is no image or was passed over, sorted by name."""
        others = [Omission(name, suffix(name)) for name in self.names if not names_image(name)]
        return tuple(sorted((*self.passed, *others)))

    @property
    def unseen(self) -> tuple[str, ...]:
        """Names of what is there and cannot be looked into; those of folders end in "/"."""
        return tuple(name for name, why in self.passed if why in UNSEEN)

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder, not a zip; the disk is read once."""
        return self.path.is_dir()

    @property
    def root(self) -> Path:
        """What `locator` is relative to."""
        return self.path if self.is_folder else self.path.parent

    def locator(self, name: str) -> str:
        """The locator of a file, relative to `root`."""
        return name if self.is_folder else f"{self.path.name}!{name}"

    def read(self, name: str) -> bytes:
        """A file's content; a DataError where there is none."""
        if self.is_folder:
            return files.read_bytes(self.path / name)
        return files.read_bytes(self.path, name)

    def ending(self, tail: str) -> str:
        """The name of the one file whose path ends in `tail`; a DataError for none or several."""
        found = [n for n in self.names if n == tail or n.endswith("/" + tail)]
        if len(found) != 1:
            raise DataError(
                f"{self.path} has {len(found)} files {tail}", "one is needed", "fetch it again"
            )
        return found[0]

    def only(self, bases: Sequence[str]) -> str:
        """The one sub-folder that a set was found in; a DataError for none or several."""
        if len(bases) == 1:
            return bases[0]
        where = f": in {', '.join(base or './' for base in bases)}" if bases else ""
        raise DataError(
            f"{self.path} holds the set {len(bases)} times{where}",
            "one is needed",
            "give the folder of one of them" if bases else "fetch it again",
        )
