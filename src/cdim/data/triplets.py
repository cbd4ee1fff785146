"""Human triplets: of two photos, which is nearer to a sketch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.errors import DataError

SENTINELS = (65535, 255)
"""Marks of a missing answer: the largest uint16 and uint8."""


@dataclass(frozen=True)
class Counts:
    """What a file of triplets held."""

    given: int  # answers in the file
    sentinels: int  # answers marked as missing; not kept
    repeats: int  # answers given before for the same sketch; kept (each is a vote)
    contradictions: int  # answers that put the sketch's own photo second; kept
    reversals: int  # different answers whose opposite is given too; kept


@dataclass(frozen=True, eq=False)
class Triplets:
    """Answers as released, row by row, without the missing ones.

    Args:
        anchor: (n,) instance names of the sketches.
        nearer: (n,) instance names of the photos called nearer.
        farther: (n,) instance names of the photos called farther.
        counts: what the file held.
    """

    anchor: NDArray[np.str_]
    nearer: NDArray[np.str_]
    farther: NDArray[np.str_]
    counts: Counts

    def __len__(self) -> int:
        return len(self.anchor)

    def agreed(self) -> Triplets:
        """One row for each question the answers settle: what to train on.

        Of answers to one question the more frequent wins; a tie settles nothing. The
        sketch's own photo is never farther, whatever the answers say.
        """
        votes = Counter(
            zip(self.anchor.tolist(), self.nearer.tolist(), self.farther.tolist(), strict=True)
        )
        rows = [
            (anchor, nearer, farther)
            for (anchor, nearer, farther), count in votes.items()
            if farther != anchor and (nearer == anchor or count > votes[anchor, farther, nearer])
        ]
        anchors, near, far = np.array(rows, dtype=np.str_).reshape(-1, 3).T
        return Triplets(anchors, near, far, self.counts)


def from_pairs(
    pairs: Sequence[Sequence[Sequence[int]]], names: Sequence[str] | NDArray[np.str_]
) -> Triplets:
    """Builds triplets from the released lists.

    255 counts as missing only where it cannot be a photo (the shoes have 304).

    Args:
        pairs: for each of n sketches, its [nearer, farther] photo numbers, from 0.
        names: (n,) instance names; sketch i and photo i are both names[i].

    Raises:
        DataError: lists that do not fit the names, a photo that does not exist, or a
            photo called nearer than itself.
    """
    if len(pairs) != len(names):
        raise DataError(
            f"triplets of {len(pairs)} sketches for {len(names)} pairs",
            "there is one list a sketch of the split",
            "the file belongs to another split or set",
        )
    given = [(i, *_pair(pair, i)) for i, answers in enumerate(pairs) for pair in answers]
    table = np.array(given, dtype=np.int64).reshape(-1, 3)
    missing = [s for s in SENTINELS if s >= len(names)]
    absent = np.isin(table[:, 1:], missing).any(1)
    table = table[~absent]
    sketches, near, far = table.T
    wrong = (near == far) | (table.min(1) < 0) | (np.maximum(near, far) >= len(names))
    if wrong.any():
        sketch, nearer, farther = table[wrong][0].tolist()
        raise DataError(
            f"the triplet [{nearer}, {farther}] of sketch {sketch}",
            f"two different photos of 0 to {len(names) - 1} are compared",
            "the file belongs to another split or set",
        )
    different = set(map(tuple, table.tolist()))
    counts = Counts(
        given=len(given),
        sentinels=int(absent.sum()),
        repeats=len(table) - len(different),
        contradictions=int((far == sketches).sum()),
        reversals=sum((a, f, n) in different for a, n, f in different),
    )
    anchor, nearer, farther = np.asarray(names, dtype=np.str_)[table].T
    return Triplets(anchor, nearer, farther, counts)


def _pair(pair: Any, sketch: int) -> tuple[int, int]:
    if isinstance(pair, Sequence) and len(pair) == 2 and all(type(p) is int for p in pair):
        return pair[0], pair[1]
    raise DataError(
        f"the triplet {pair!r} of sketch {sketch}",
        "a triplet is [nearer, farther], two whole numbers",
        "fetch the file again",
    )


def from_json(
    content: bytes, names: Mapping[str, Sequence[str]], origin: str
) -> dict[str, Triplets]:
    """Reads `*_annotation.json` of QMUL v1, which error messages call `origin`.

    Args:
        content: the file's bytes.
        names: the instance names of each split that is wanted, in the annotation's order.

    Raises:
        DataError: no JSON, a split missing, or triplets that do not fit.
    """
    try:
        given = json.loads(content)
        return {split: from_pairs(given[split]["triplets"], names[split]) for split in names}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"cannot read the triplets of {origin} ({error!r})",
            'JSON with [split]["triplets"] is needed',
            "fetch the file again",
        ) from None
    except DataError as error:
        raise DataError(f"{origin}: {error.given}", error.allowed, error.todo) from None
