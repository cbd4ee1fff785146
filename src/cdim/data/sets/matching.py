"""Sketches and their photos, or queries and the gallery, matched by the names of their files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from cdim.data.sets.layout import Word

_BASES = ("photo", "edge")
_COPY = re.compile(r"[_-]\d+$")


class NameMatch(NamedTuple):
    """Images matched by the names of their files."""

    stems: list[str]  # n names, equal within a group for images of one thing
    others: int  # how many images are matched to others
    lost: list[int]  # indices of those that match none
    bases: dict[str, set[str]]  # by group, the names of what others are matched to
    copies: bool  # whether the others are called <name>_<k> or <name>-<k>, not <name>


def match(names: Sequence[str], words: Sequence[Word], groups: Sequence[str]) -> NameMatch:
    """Matches images to photos, else to edge maps; where domains do not differ, to the gallery.

    Args:
        names: n paths of files.
        words: what their folders say.
        groups: n names; images match within a group.
    """
    stems = [PurePosixPath(name).stem for name in names]
    domains = {word.domain for word in words}
    base = next((d for d in (*_BASES, *sorted(domains - {"sketch"})) if d in domains), "")
    if len(domains) > 1:
        others = [i for i, word in enumerate(words) if word.domain != base]
    else:
        others = [i for i, word in enumerate(words) if word.role in ("query", "multi-query")]
    bases = defaultdict(set)
    for i in set(range(len(names))) - set(others):
        bases[groups[i]].add(stems[i])
    short = {i: _COPY.sub("", stems[i]) for i in others}
    whole_fit = sum(stems[i] in bases[groups[i]] for i in others)
    short_fit = sum(short[i] in bases[groups[i]] for i in others)
    copies = short_fit > whole_fit
    if copies:
        stems = [short.get(i, stem) for i, stem in enumerate(stems)]
    lost = [i for i in others if stems[i] not in bases[groups[i]]]
    return NameMatch(stems, len(others), lost, dict(bases), copies)
