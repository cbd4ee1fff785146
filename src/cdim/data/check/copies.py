"""The part of `cdim.data.check.table` about images that occur more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdim.data.check.duplicates import Fingerprint, find
from cdim.data.check.findings import Level, Problem
from cdim.data.check.pixels import Look, look_at, named
from cdim.data.manifest import GALLERY, QUERY, Manifest
from cdim.errors import plural

_PUBLISHED = (
    "In a set of your own, keep one of each. In a published split, leave it, so that numbers "
    "stay comparable, and say so beside them."
)

# code -> level, what (after the number), why, what to do
_KINDS: dict[str, tuple[Level, str, str, str]] = {
    "exact-duplicate-across-splits": (
        "error",
        "with equal pixels in different splits.",
        "The model is tested on an image it was trained on.",
        _PUBLISHED,
    ),
    "exact-duplicate": (
        "warning",
        "with equal pixels under different instance names.",
        (
            "Nothing can tell them apart: whichever is answered, it counts as wrong for one of "
            "them, and training pushes equal images apart."
        ),
        "Give them the same instance name, or replace or remove the wrong one.",
    ),
    "query-copied-to-gallery": (
        "warning",
        "that are query and gallery of the same instance with equal pixels.",
        "Finding a copy of the query itself proves nothing.",
        "Remove the copy from the gallery.",
    ),
    "query-in-multi-query": (
        "info",
        "that are a query and one of its further views (role multi-query) with equal pixels.",
        "Views pooled together with their query count it twice.",
        (
            "Nothing: a multi query pools the views alone. Market-1501 is made so: its "
            "views hold every query once more."
        ),
    ),
    "repeated-image": (
        "info",
        "of one instance with equal pixels.",
        "It counts more than once.",
        "Remove the copies.",
    ),
    "near-duplicate-across-splits": (
        "warning",
        "that look almost the same, in different splits.",
        "If they show the same thing, the model is tested on what it was trained on.",
        f"Look at them: it may be a chance likeness. {_PUBLISHED}",
    ),
    "near-duplicate": (
        "info",
        "that look almost the same, under different instance names.",
        "If they show the same thing, one of two right answers counts as wrong.",
        "Look at them, and give them the same instance name if they do.",
    ),
}


def copy_problems(manifest: Manifest, looks: Sequence[Look]) -> Iterator[Problem]:
    """Exact and near copies within one set."""
    rows, prints = _comparable(manifest, looks)
    found = find(prints)
    pairs: dict[str, list[str]] = {code: [] for code in _KINDS}
    for group in found.exact:
        code, first, second = _exact_kind(manifest, [rows[i] for i in group])
        pairs[code].append(_pair(manifest, first, second))
    for first, second, score in found.near:
        a, b = rows[first], rows[second]
        if manifest.instance[a] != manifest.instance[b]:
            code = "near-duplicate" + ("-across-splits" if _apart(manifest, a, b) else "")
            pairs[code].append(f"{_pair(manifest, a, b)}  (likeness {score:.2f})")
    for code, (level, what, why, todo) in _KINDS.items():
        if pairs[code]:
            amount = plural(len(pairs[code]), "pair" if code.startswith("near") else "group")
            yield Problem(level, code, f"{amount} of images {what}", why, todo, pairs[code])


def shared_problems(
    manifest: Manifest, looks: Sequence[Look], name: str, other: Manifest
) -> Iterator[Problem]:
    """Images of the set that is checked that another set, called `name`, has, too."""
    rows, prints = _comparable(manifest, looks)
    other_rows, other_prints = _comparable(other, look_at(other))
    found = find(prints + other_prints)
    here = len(rows)

    def pair(first: int, second: int) -> str:
        return f"{named(manifest, rows[first])} = {named(other, other_rows[second - here])}"

    exact = [
        pair(group[0], next(i for i in group if i >= here))
        for group in found.exact
        if group[0] < here <= group[-1]
    ]
    near = [
        f"{pair(first, second)}  (likeness {score:.2f})"
        for first, second, score in found.near
        if first < here <= second
    ]
    for code, pairs, how in (
        ("exact-duplicate-across-datasets", exact, "with equal pixels"),
        ("near-duplicate-across-datasets", near, "looking almost the same"),
    ):
        if pairs:
            yield Problem(
                "warning",
                code,
                f"{plural(len(pairs), 'image')} of this set "
                f"{'occurs' if len(pairs) == 1 else 'occur'} in {name}, too, {how}.",
                f"Training on {name} and testing here, or the other way round, leaks.",
                f"Leave these out of the training part when you use both this set and {name}.",
                pairs,
            )


def _comparable(manifest: Manifest, looks: Sequence[Look]) -> tuple[list[int], list[Fingerprint]]:
    """Rows that could be read, are not blank, and are not junk, which counts for nothing."""
    pairs = [
        (row, look.print)
        for row, look in enumerate(looks)
        if look.print is not None and not look.blank and manifest.role[row] != "junk"
    ]
    return [row for row, _ in pairs], [item for _, item in pairs]


def _exact_kind(manifest: Manifest, group: Sequence[int]) -> tuple[str, int, int]:
    """The worst that is true of a group, and two rows that show it."""
    first, *others = group
    for other in others:
        if _apart(manifest, first, other):
            return "exact-duplicate-across-splits", first, other
    for other in others:
        if manifest.instance[first] != manifest.instance[other]:
            return "exact-duplicate", first, other
    query = next((row for row in group if manifest.role[row] in QUERY), None)
    rest = [(str(manifest.role[row]), row) for row in group if row != query]
    for code, roles in (
        ("query-copied-to-gallery", GALLERY),
        ("query-in-multi-query", ("multi-query",)),
    ):
        copy = next((row for role, row in rest if role in roles), None)
        if query is not None and copy is not None:
            return code, query, copy
    return "repeated-image", first, others[0]


def _apart(manifest: Manifest, first: int, second: int) -> bool:
    """Whether two rows name different splits."""
    return len({manifest.split[first], manifest.split[second]} - {""}) > 1


def _pair(manifest: Manifest, first: int, second: int) -> str:
    return f"{named(manifest, first)} = {named(manifest, second)}"
