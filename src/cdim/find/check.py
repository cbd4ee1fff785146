"""Says whether what a gallery holds is what was written."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cdim.bundles.bundle import check_whole
from cdim.errors import CdimError, plural, printable
from cdim.find.items import Item
from cdim.find.stores.checksum import SUM, checksum
from cdim.find.stores.store import FIELDS, Store, payload, point_id, stored

if TYPE_CHECKING:
    from cdim.find.gallery import Gallery

SAMPLE = 200  # items that must find themselves
FEW = 300  # values of a field whose index is counted
SHOWN = 20  # problems that are printed


@dataclass(frozen=True, repr=False)
class GalleryCheck:
    """What a check found. Printed, it is a few lines."""

    items: int  # how many records there are
    # how many were written by a cdim without checksums, and are checked for what can be known
    without_checksum: int
    # what is wrong, by the item's id; "bundle", "search" and "fields" name parts
    problems: Mapping[str, str]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "sound": self.sound,
            "items": self.items,
            "without_checksum": self.without_checksum,
            "problems": dict(self.problems),
        }

    def __str__(self) -> str:
        lines = [f"{printable(name)}: {printable(why)}" for name, why in self.problems.items()]
        if len(lines) > SHOWN:
            lines[SHOWN:] = [f"{plural(len(lines) - SHOWN, 'more problem')}"]
        if self.without_checksum:
            without = plural(self.without_checksum, "item has", "items have")
            lines.append(f"{without} no checksum; index into a new folder to give them one")
        found = "nothing wrong" if self.sound else plural(len(self.problems), "problem")
        lines.append(f"{plural(self.items, 'item')} checked: {found}")
        if self.problems:
            lines.append("restore a backup, or index into a new folder")
        return "\n".join(lines)


def check(
    gallery: Gallery, progress: Callable[[str, int, int], None] | None = None
) -> GalleryCheck:
    """Reads every record of a gallery; the rest is as for `Gallery.check`."""
    problems: dict[str, str] = {}
    try:
        check_whole(gallery.bundle)
    except CdimError as error:
        problems["bundle"] = error.given
    done = without = 0
    sound: list[NDArray[np.float32]] = []
    fields: dict[str, Counter[str]] = {}
    total = gallery.count()
    for point in gallery.store.points():
        record = point.payload or {}
        without += SUM not in record
        why = _problem(point, record, gallery.bundle.dim)
        if why:
            problems[str(record.get("id", point.id))] = why
        elif len(sound) < SAMPLE:
            sound.append(np.asarray(point.vector, dtype=np.float32))
        for field, word in (record.get("words") or {}).items():
            fields.setdefault(field, Counter())[word] += 1
        done += 1
        if progress is not None:
            progress("items", done, total)
    problems.update({} if problems else _search_problems(gallery.store, sound, fields))
    if done != total:
        problems["search"] = f"it counts {plural(total, 'item')}, and {done:,} can be read"
    return GalleryCheck(done, without, problems)


def _problem(point: Any, record: Mapping[str, Any], dim: int) -> str:
    """What is wrong with a record, "" for nothing."""
    try:
        found = stored(point)
        expected = payload(found.item)
        same = all(record[key] == expected[key] for key in expected if key != "words")
        same = same and _same_words(record["words"], expected["words"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return "its record cannot be read"
    if point_id(found.item.id) != str(point.id):
        return "its record is that of another item"
    vector = np.asarray(found.vector)
    if vector.shape != (dim,) or not np.isfinite(vector).all():
        return f"its vector is not of {dim} finite numbers"
    if not same:
        return "its record contradicts itself"
    if SUM not in record:
        return _thumbnail_problem(found.item)
    if record[SUM] != checksum(record, vector):
        return "its vector, metadata or thumbnail is not what was written"
    return ""


def _same_words(given: Mapping[str, str], expected: Mapping[str, str]) -> bool:
    """Whether texts of values agree; a database may round floats."""
    return given.keys() == expected.keys() and all(
        given[name] == expected[name]
        or math.isclose(json.loads(given[name]), json.loads(expected[name]), rel_tol=1e-12)
        for name in given
    )


def _thumbnail_problem(item: Item) -> str:
    small = item.thumbnail
    whole = not small or (small.startswith(b"\xff\xd8") and small.endswith(b"\xff\xd9"))
    return "" if whole else "its thumbnail is no JPEG"


def _search_problems(
    store: Store, sound: list[NDArray[np.float32]], fields: Mapping[str, Counter[str]]
) -> dict[str, str]:
    """Where searches and filters do not give what the records hold."""
    problems = {}
    lost = 0
    for vector in sound:
        nearest = store.nearest(vector, 1, ())
        lost += not nearest or nearest[0].distance > 1e-3 * max(1.0, float(np.linalg.norm(vector)))
    if 100 * lost > len(sound):
        problems["search"] = f"{lost} of {plural(len(sound), 'item')} do not find themselves"
    wrong = sorted(
        field
        for field, counts in fields.items()
        if len(counts) <= FEW and store.facet(field, (), FEW) != dict(counts)
    )
    if wrong or set(store.fields()) != fields.keys():
        problems[FIELDS] = f"filters do not agree with the items ({', '.join(wrong) or 'names'})"
    return problems
