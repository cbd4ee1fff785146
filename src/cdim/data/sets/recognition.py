"""Finds the layout of a folder by the names in it; what can be read in two ways is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cdim.data.sets.layout import Word, known, labels
from cdim.data.sets.matching import match
from cdim.errors import DataError

_FREE = "?"  # a level of names that cdim does not know: of things, of kinds, or of nothing


def word_levels(names: Sequence[str]) -> tuple[str, ...]:
    """The levels that consist of known words; "*" for others, "**" for images at several depths."""
    paths = [name.split("/")[:-1] for name in names]
    if len(set(map(len, paths))) > 1:
        return ("**",)
    levels = [_level({path[i] for path in paths}, False) for i in range(len(paths[0]))]
    return tuple("*" if level in ("", _FREE) else level for level in levels)


def recognised(names: Sequence[str], place: Path) -> tuple[str, ...]:
    """The levels of the layout that n images lie in.

    Args:
        names: their paths below `place`, "/"-separated.
        place: the folder or the zip, for messages.

    Raises:
        DataError: they lie at several depths, or in folders that can be read in two ways.
    """
    paths = [name.split("/")[:-1] for name in names]
    depths = sorted(set(map(len, paths)))
    if len(depths) > 1:
        deep = max(names, key=lambda name: name.count("/"))
        raise _refused(
            f"images of {place} lie at the depths {', '.join(map(str, depths))}, such as {deep}",
            ("{instance}/**", "**") if depths[0] else ("**",),
        )
    levels: list[str] = []
    for i in range(depths[0]):
        folders = {path[i] for path in paths}
        level = _level(folders, _FREE in levels)
        if not level:
            raise _mixed(place, folders, levels, depths[0])
        levels.append(level)
    free = [i for i, level in enumerate(levels) if level == _FREE]
    same = [i for i in free if _around_all(paths, levels, i)]
    for i in same[: len(free) - 1]:
        levels[i] = "*"
        free.remove(i)
    if len(free) > 1:
        raise _nested(place, names, paths, levels, free)
    if free:
        levels[free[0]] = _thing(names, levels, free[0], place)
    return tuple(levels)


def _level(folders: set[str], in_thing: bool) -> str:
    """What a level is: a field, `_FREE`, or "" where some of its names are known and some not."""
    words = [known(folder, in_thing) for folder in folders]
    said = [word for word in words if word is not None]
    if len(said) < len(words):
        return "" if said else _FREE
    return next(
        (f"{{{k}}}" for k in ("domain", "role") if any(getattr(w, k) for w in said)), "{split}"
    )


def _around_all(paths: list[list[str]], levels: list[str], free: int) -> bool:
    """Whether a level has one folder, or one in each folder of known words: it says nothing."""
    names = defaultdict(set)
    for path in paths:
        names[tuple(p for p, w in zip(path, levels, strict=True) if w != _FREE)].add(path[free])
    return all(len(found) == 1 for found in names.values())


def _thing(names: Sequence[str], levels: list[str], free: int, place: Path) -> str:
    """What the one level of unknown names is: things, kinds, or a folder around all."""
    folders = [name.split("/")[free] for name in names]
    words = labels(names, levels)
    alone = len(set(folders)) == 1
    if "{domain}" not in levels:
        return "*" if alone and {"{split}", "{role}"} & set(levels[free:]) else "{instance}"
    found = match(names, words, [f"{w.split}/{f}" for w, f in zip(words, folders, strict=True)])
    several = max(map(len, found.bases.values())) > 1
    # Where most match by name, names are meant, and the reader of files names those that do not.
    if 2 * len(found.lost) >= found.others or not several:
        return "{instance}"
    above = free < levels.index("{domain}")
    if alone and above:
        return "*"
    if _all_in_several_splits(folders, words):
        return "{category}"
    everywhere = [stem for stems in found.bases.values() for stem in stems]
    unique = len(set(everywhere)) == len(everywhere)
    if unique and found.copies and not above:
        return "{category}"
    if above and not unique:
        return "{instance}"
    kinds, things = ([*levels[:free], w, *levels[free + 1 :]] for w in ("{category}", "{instance}"))
    raise _refused(
        f"{folders[0]} in {place} may be a thing with several photos, or a kind of things whose "
        "sketches are called like their photos",
        ("/".join(kinds), "/".join(things)),
    )


def _all_in_several_splits(folders: Sequence[str], words: Sequence[Word]) -> bool:
    splits = defaultdict(set)
    for folder, word in zip(folders, words, strict=True):
        splits[folder].add(word.split)
    return all(len(found) > 1 for found in splits.values())


def _mixed(place: Path, folders: set[str], levels: list[str], depth: int) -> DataError:
    in_thing = _FREE in levels
    told = min(f for f in folders if known(f, in_thing))
    other = min(f for f in folders if not known(f, in_thing))
    before = ["{instance}" if level == _FREE else level for level in levels]
    here = "{domain}" if in_thing else "{instance}"
    after = "/**" if depth > len(levels) + 1 else ""
    word = known(told, in_thing) or Word()
    kind = next(k for k in ("domain", "role", "split") if getattr(word, k))
    return _refused(
        f"the folder {told} of {place} is called like a {kind}, and {other} beside it is not",
        ("/".join([*before, here]) + after,),
    )


def _nested(
    place: Path, names: Sequence[str], paths: list[list[str]], levels: list[str], free: list[int]
) -> DataError:
    first, *_, last = free
    parents = defaultdict(set)
    for path in paths:
        parents[path[last]].add(path[first])
    shared = any(len(found) > 1 for found in parents.values())
    kinds = {first: "{category}", last: "{instance}"}
    sides = {first: "{instance}", last: "*" if "{domain}" in levels else "{domain}"}
    ways = [
        "/".join(way.get(i, "*" if level == _FREE else level) for i, level in enumerate(levels))
        for way in ((sides, kinds) if shared else (kinds, sides))
    ]
    plain = ["*" if i in free[:-1] else level for i, level in enumerate(levels)]
    with suppress(DataError):  # as Sketchy has it: kinds in folders of its augmentations
        if shared and "{domain}" in levels and _thing(names, plain, last, place) == "{category}":
            ways = ["/".join([*plain[:last], "{category}", *plain[last + 1 :]])]
    return _refused(f"folders of {place}, such as that of {names[0]}, may be things or kinds", ways)


def _refused(given: str, ways: Sequence[str]) -> DataError:
    """The error of what can be read in two ways; the first is the likely one."""
    first, *others = ways
    rest = f", else {' or '.join(others)}" if others else ""
    everything = "" if "**" in ways else "; ** makes every image a thing of its own"
    return DataError(
        given,
        f"cdim would read the layout {first}{rest}{everything}",
        "name the layout, or list the images in a CSV",
        argument="layout",
    )
