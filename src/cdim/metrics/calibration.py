"""From distances to probabilities: is this hit the same instance, and is it here at all?

A distance alone does not tell: it depends on the query, on the gallery and on how many items
there are to be confused with. So the distances of a query are compared with those to a sample of
the gallery, without labels:

    z_i = (mean of the sample's distances - d_i) / their standard deviation

and hits compete with each other and with "none of them", which is the likelier the more items n
there are:

    P_i = exp(slope z_i) / (exp(offset + size log n) + exp(slope z_i) + rivals sum_j exp(slope z_j))

over the other hits j. With rivals = 1 at most one item shows the instance; with 0 each is judged
alone, as where a person is in a gallery many times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import UsageError

RIVALS = 10
"""Hits that compete with each other."""
TINY, CEILING = 1e-9, 500.0


@dataclass(frozen=True)
class Calibration:
    """The fitted numbers.

    Args:
        slope: of the standardised nearness, above 0.
        offset: of "none of them".
        size: how much that grows with the logarithm of the number of items.
        rivals: weight of the other hits, 0 to 1.
        false_matches: probabilities of the best hit of held-out searches whose target was not
            there, ascending: what `threshold` reads.
    """

    slope: float
    offset: float
    size: float
    rivals: float
    false_matches: tuple[float, ...] = ()


class Judged(NamedTuple):
    """What is believed of one query's hits.

    Args:
        probabilities: (k,) that each shows the query's instance, 0 to 1.
        present: that any item of the gallery does, 0 to 1.
    """

    probabilities: NDArray[np.float64]
    present: float


def judge(
    calibration: Calibration, nearest: ArrayLike, background: ArrayLike, items: int
) -> Judged:
    """Judges one query's nearest hits.

    Args:
        calibration: the fitted numbers.
        nearest: (k,) distances of the nearest items, ascending. To get the same probability
            whatever k is shown, pass at least the nearest `RIVALS`, or all.
        background: (s,) distances to a fair sample of the gallery, at least one.
        items: how many were searched, at least k.

    Raises:
        UsageError: distances that are not finite numbers in ascending order, no background, or
            fewer items than hits.
    """
    near, sample = _distances(nearest, background, items)
    if not len(near):
        return Judged(np.zeros(0), 0.0)
    fit = calibration
    z = (sample.mean() - near) / max(float(sample.std()), TINY * float(sample.mean()), TINY)
    score = np.clip(fit.slope * z - fit.offset - fit.size * np.log(items), -CEILING, CEILING)
    weight = np.exp(score)
    rivals = weight[:RIVALS].sum() - np.where(np.arange(len(near)) < RIVALS, weight, 0.0)
    probabilities = weight / (1.0 + weight + fit.rivals * rivals)
    alone = weight[:RIVALS] / (1.0 + weight[:RIVALS])
    one, many = weight[:RIVALS].sum(), 1.0 - float(np.prod(1.0 - alone))
    present = fit.rivals * one / (1.0 + one) + (1.0 - fit.rivals) * many
    return Judged(probabilities, float(present))


def _distances(
    nearest: ArrayLike, background: ArrayLike, items: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as checked float64 arrays."""
    near = np.asarray(nearest, dtype=np.float64)
    sample = np.asarray(background, dtype=np.float64)
    ascending = (
        near.ndim == 1 and bool(np.isfinite(near).all()) and bool((np.diff(near) >= 0).all())
    )
    if not ascending:
        raise UsageError(
            f"distances {near}", "they are finite and ascend", "sort the hits, nearest first"
        )
    if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all() or items < len(near):
        raise UsageError(
            f"{len(near)} hits of {items} items with a background of shape {sample.shape}",
            "the background holds at least one finite distance, and no more is hit than is there",
            "pass the query's distances to a sample of the gallery",
        )
    return near, sample
