"""Items whose file is gone, and the new files that they may have become."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdim.find.items import BY_HAND, Value


@dataclass(frozen=True)
class Known:
    """What the gallery holds of an image already."""

    digest: str
    domain: str
    root: str
    stamp: str
    metadata: Mapping[str, Value]

    @property
    def by_hand(self) -> bool:
        """Whether its image is not that of its file."""
        return self.stamp.startswith(BY_HAND)

    @property
    def content(self) -> str:
        """What its file held when it was read."""
        return file_part(self.stamp.removeprefix(BY_HAND)) if self.by_hand else self.digest


def file_part(stamp: str) -> str:
    """Of a stamp, what tells of the file: not its metadata."""
    return stamp.rpartition(":")[0]


class Gone:
    """Items whose file is gone, until a new file turns out to be one of them.

    Args:
        known: the items, by id.
    """

    def __init__(self, known: Mapping[str, Known]) -> None:
        self.left = dict(known)
        self._like: dict[str, list[str]] = {}
        for name, item in known.items():
            for key in (item.content, _stem(name)):
                self._like.setdefault(key, []).append(name)

    def may_be(self, name: str) -> bool:
        """Whether one of them has an id that differs in its suffix only."""
        return _stem(name) in self._like

    def take(self, name: str, contents: Iterable[str], own: frozenset[str]) -> str | None:
        """The item that a new file was: of its content, else in its folder with its stem.

        Args:
            name: the id of the new file.
            contents: what its content may be remembered by.
            own: fields that the source tells of, which need not be taken over.

        Returns:
            The id, which is no longer left; "" for none; None where several differ.
        """
        for key in (*contents, _stem(name)):
            like = [other for other in self._like.get(key, ()) if other in self.left]
            for same in (_stem, os.path.basename):
                like = [other for other in like if same(other) == same(name)] or like
            told = [
                {k: v for k, v in self.left[other].metadata.items() if k not in own}
                for other in like
            ]
            if any(table != told[0] for table in told):
                return None
            if like:
                del self.left[like[0]]
                return like[0]
        return ""


def _stem(name: str) -> str:
    return "stem of " + os.path.splitext(name)[0]
