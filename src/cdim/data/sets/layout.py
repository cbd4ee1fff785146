"""What the folders on the way to an image say of it: split, role, domain, instance, category.

A layout names the levels of folders, the top one first, such as "{split}/{instance}/{domain}":

    {split} {role} {domain}    one of `WORDS`, in any case; `{domain}` may be a word of yours
    {instance} {category}      the folder's name
    *                          a folder whose name says nothing
    **                         last: any further folders, which say nothing

Where no level is `{instance}`, files tell: see `cdim.data.sets.folder`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from cdim.errors import DataError, nearest

FIELDS = ("{split}", "{role}", "{domain}", "{instance}", "{category}", "*", "**")


class Word(NamedTuple):
    """What the name of a folder says of the images in it; "" where it says nothing."""

    split: str = ""
    role: str = ""
    domain: str = ""


_MEANT = {
    Word("train"): "train training trainval train_val bounding_box_train image_train",
    Word("val"): "val valid validation dev",
    Word("test"): "test testing",
    Word("", "query"): "query queries",
    Word("", "gallery"): "gallery database reference references",
    Word("test", "query"): "image_query",
    Word("test", "gallery"): "bounding_box_test image_test",
    Word("test", "multi-query"): "gt_bbox",
    Word("", "", "sketch"): "sketch sketches drawing drawings",
    Word("", "", "photo"): "photo photos image images picture pictures",
    Word("", "", "edge"): "edge edges edgemap edgemaps edge_map edge_maps",
    Word("train", "", "sketch"): "traina",
    Word("train", "", "photo"): "trainb",
    Word("test", "", "sketch"): "testa",
    Word("test", "", "photo"): "testb",
}
WORDS = {name: word for word, names in _MEANT.items() for name in names.split()}
"""The names of folders that cdim knows, in small letters."""
_SIDE = Word("", "", "photo")
_SIDES = frozenset(
    (
        *("front", "back", "rear", "side", "left", "right", "top", "bottom", "above", "below"),
        *("inside", "outside", "interior", "exterior", "detail", "details", "closeup", "view"),
    )
)
_NUMBER = re.compile(r"[ _-]?\d+$")


def parsed(layout: str) -> tuple[str, ...]:
    """The levels of a layout.

    Raises:
        DataError: another word than `FIELDS`, one of them twice, or "**" before the end.
    """
    levels = tuple(layout.strip("/").split("/"))
    named = [level for level in levels if level != "*"]
    wrong = [level for level in levels if level not in FIELDS]
    if wrong or len(set(named)) < len(named) or "**" in levels[:-1]:
        raise DataError(
            f"the layout {layout!r}",
            f"its levels are of {', '.join(FIELDS)}; ** is the last, and only * stands twice",
            nearest(wrong[0], FIELDS) if wrong else "correct it",
            argument="layout",
        )
    return levels


def known(folder: str, in_thing: bool = False) -> Word | None:
    """What a folder's name says; None for a name that cdim does not know.

    Args:
        folder: the name.
        in_thing: whether it lies in the folder of a thing: front, back and the like are photos
            there.
    """
    name = re.sub(r"[ -]", "_", folder.lower())
    is_side = in_thing and _NUMBER.sub("", name) in _SIDES
    return _SIDE if is_side else WORDS.get(name)


def labels(names: Sequence[str], levels: Sequence[str]) -> list[Word]:
    """Split, role and domain of images, by the folders on the way to them.

    Where images are queries, those of the split test are the gallery if no others are, and those
    with a role are of the split test if others name a split. Where no folder names a role and there
    are sketches and other images, sketches are queries and the others the gallery.

    Raises:
        DataError: a folder of a split or a role with a name that cdim does not know.
    """
    read = {
        (level, folder): _said(folder, level)
        for name in names
        for level, folder in zip(levels, name.split("/")[:-1], strict=False)
    }
    words = []
    for name in names:
        said = [read[pair] for pair in zip(levels, name.split("/")[:-1], strict=False)]
        fields = zip(Word(), *said, strict=True)
        split, role, domain = (next(filter(None, told), "") for told in fields)
        words.append(Word(split, role, domain or "photo"))
    roles = {word.role for word in words}
    if roles == {""}:
        return _by_domain(words)
    if "query" in roles and "gallery" not in roles:
        words = [w._replace(role="gallery") if w[:2] == ("test", "") else w for w in words]
    if any(word.split for word in words):
        words = [w._replace(split="test") if w.role and not w.split else w for w in words]
    return words


def _by_domain(words: list[Word]) -> list[Word]:
    domains = {word.domain for word in words}
    if "sketch" not in domains or len(domains) == 1:
        return words
    return [w._replace(role="query" if w.domain == "sketch" else "gallery") for w in words]


def _said(folder: str, level: str) -> Word:
    if level not in ("{split}", "{role}", "{domain}"):
        return Word()
    word = known(folder, in_thing=level == "{domain}")
    if word is not None:
        return word
    if level == "{domain}":
        return Word("", "", folder)
    raise DataError(
        f"the folder {folder!r} where the layout has {level}",
        f"known there are {', '.join(WORDS)}",
        nearest(folder, WORDS),
        argument="layout",
    )
