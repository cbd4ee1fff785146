"""How sure a number is: bootstrap intervals over queries and paired tests between two runs.

Everything is seeded: the same values give the same interval on every machine. Resamples are
drawn in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cdim.errors import UsageError

RESAMPLES = 10_000
LEVEL = 0.95
EXACT_UP_TO = 20
_BLOCK = 1 << 20  # numbers drawn at a time


@dataclass(frozen=True)
class Estimate:
    """A number and the interval it lies in."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Best:
    """The best of several candidates, and p of "none of them is better"."""

    place: int
    difference: float
    p: float


@dataclass(frozen=True)
class Paired:
    """A difference of means on the same queries, its interval, and p of "no difference"."""

    difference: float
    low: float
    high: float
    p: float


def bootstrap(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Percentile bootstrap interval over queries.

    Args:
        values: (n,) one value a query, or (seeds, n); seeds are averaged per query first, so
            the interval speaks of the choice of queries.
        statistic: a function like `np.mean` or `np.median` that takes `axis`.
        resamples, seed: how many times the queries are redrawn, and the seed of the draws.

    Returns:
        The statistic of the values and its interval of `LEVEL`. Where all values are equal the
        interval is that one point: the bootstrap cannot know more.

    Raises:
        UsageError: no values, a value that is not finite, or no resamples.

    >>> bootstrap([0.0, 1.0, 1.0, 1.0])
    Estimate(value=0.75, low=0.25, high=1.0)
    >>> bootstrap([[1, 5, 9], [3, 5, 7]], np.median)
    Estimate(value=5.0, low=2.0, high=8.0)
    """
    sample = _per_query(values)
    return _estimate(lambda rows: statistic(sample[rows], axis=-1), len(sample), resamples, seed)


def bootstrap_ratio(
    hits: ArrayLike, counts: ArrayLike, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Bootstrap interval of a share whose trials come in groups, such as triplets of one anchor.

    Args:
        hits, counts: (n,) successes and trials per group, of these at least 1.
        resamples, seed: as for `bootstrap`; groups are redrawn whole.

    Returns:
        sum(hits) / sum(counts) and its interval.

    Raises:
        UsageError: as `bootstrap`, or unequal lengths, or a group without trials.

    >>> bootstrap_ratio([3, 1], [4, 4]).value
    0.5
    """
    good, total = _per_query(hits), _per_query(counts)
    if len(good) != len(total) or (total < 1).any():
        raise UsageError(
            f"{len(good)} hits for {len(total)} counts, the smallest count {total.min():g}",
            "every group has one number of hits and at least one trial",
            "leave out groups without trials",
        )

    def share(rows: NDArray[np.int64]) -> Any:
        return good[rows].sum(axis=-1) / total[rows].sum(axis=-1)

    return _estimate(share, len(good), resamples, seed)


def paired_test(a: ArrayLike, b: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Paired:
    """Tests whether run a differs from run b on the same queries, in the same order.

    The interval is a paired bootstrap over queries. The p-value, two-sided, is that of a
    sign-flip permutation test: were the runs alike, each query's difference could as well
    have had the other sign. All sign patterns are counted when at most 20 queries differ;
    otherwise `resamples` random ones are, and p cannot fall below 1 / (resamples + 1).

    Args:
        a, b: values as for `bootstrap`, of the same n queries; seeds may differ in number.
        resamples, seed: as for `bootstrap`.

    Returns:
        mean(a) - mean(b), its interval, and p in (0, 1].

    Raises:
        UsageError: as `bootstrap`, or different numbers of queries.

    >>> paired_test([1, 1, 1, 0], [0, 0, 0, 0])
    Paired(difference=0.75, low=0.25, high=1.0, p=0.25)
    """
    left, right = _per_query(a), _per_query(b)
    if len(left) != len(right):
        raise UsageError(
            f"{len(left)} and {len(right)} queries",
            "a paired test needs the same queries in both runs",
            "evaluate both runs on the same set",
        )
    change = left - right
    spread = bootstrap(change, np.mean, resamples, seed)
    return Paired(spread.value, spread.low, spread.high, _sign_flip(change, resamples, seed))


def best_of(
    candidates: ArrayLike, base: ArrayLike, level: float, resamples: int = RESAMPLES, seed: int = 0
) -> Best:
    """Tests which of several candidates are better than the base, and returns the best of them.

    The best of a hundred candidates that add nothing looks better than nothing: its own p-value
    would be small far too often. So each is compared with the best of all candidates under every
    drawn sign pattern (one sign a query, the same for all candidates), the single-step maxT of
    Westfall and Young. That holds the chance of choosing any useless candidate at the given
    level. Since candidates that are alike rise and fall together, it does not punish their number
    as Bonferroni would. Differences are measured in units of their own spread,
    sum d / sqrt(sum d^2), so that one that upsets everything does not hide one that helps a
    little everywhere. One-sided.

    Args:
        candidates: (k, n) one value a query of each candidate.
        base: (n,) the same queries' values of the base.
        level: largest p of a candidate that counts as better.
        resamples, seed: sign patterns drawn, and their seed; p is at least 1 / (resamples + 1).

    Returns:
        Of the candidates that count as better, or else of all, the one with the largest mean (the
        first of equals); its mean minus the base's, and its p.

    Raises:
        UsageError: no candidates, values that are not finite, or unequal numbers of queries.

    >>> best_of([[1, 1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0]], [0] * 7, 0.05, resamples=999).place
    0
    """
    values, start = _finite(np.asarray(candidates)), _per_query(base)
    if values.ndim != 2 or not len(values) or values.shape[1] != len(start):
        raise UsageError(
            f"candidates of shape {values.shape} for {len(start)} queries",
            "each candidate has one value a query, and there is at least one",
            "judge all on the same queries",
        )
    change = values - start
    spread = np.sqrt(np.square(change).sum(axis=1, keepdims=True))
    scaled = change / np.where(spread > 0, spread, 1)
    found = scaled.sum(axis=1) - 1e-9 * np.abs(scaled).sum(axis=1)  # as in a single test
    rng = np.random.default_rng(seed)
    as_large = np.zeros(len(values), dtype=np.int64)
    for size in _blocks(resamples, len(start)):
        signs = rng.integers(0, 2, size=(size, len(start)), dtype=np.int8) * 2.0 - 1
        largest = np.sort((signs @ scaled.T).max(axis=1))
        as_large += size - np.searchsorted(largest, found)
    p = (1 + as_large) / (1 + resamples)
    means = change.mean(axis=1)
    better = (p <= level) & (means > 0)
    place = int(np.where(better | ~better.any(), means, -np.inf).argmax())
    return Best(place, float(means[place]), float(p[place]))


def _sign_flip(change: NDArray[np.float64], resamples: int, seed: int) -> float:
    moved = change[change != 0]
    slack = 1e-9 * np.abs(moved).sum()  # equal sums added in another order must stay equal
    bar = abs(moved.sum()) - slack
    if len(moved) <= EXACT_UP_TO:
        sums = np.zeros(1)
        for step in moved:
            sums = np.concatenate([sums + step, sums - step])
        return float((np.abs(sums) >= bar).mean())
    rng = np.random.default_rng(seed)
    as_large = 0
    for size in _blocks(resamples, len(moved)):
        signs = rng.integers(0, 2, size=(size, len(moved)), dtype=np.int8) * 2 - 1
        as_large += int((np.abs(signs @ moved) >= bar).sum())
    return (1 + as_large) / (1 + resamples)


def _per_query(values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values)
    if given.ndim not in (1, 2) or given.size == 0 or given.dtype.kind not in "bfiu":
        raise UsageError(
            f"values of {given.dtype} {given.shape}",
            "numbers of shape (queries,) or (seeds, queries) are needed, at least one",
            "pass one value a query",
        )
    numbers = _finite(given)
    return numbers if numbers.ndim == 1 else numbers.mean(axis=0)


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise UsageError("a value is not finite", "values are finite numbers", "check the input")
    return numbers


def _blocks(resamples: int, n: int) -> Iterator[int]:
    size = max(1, _BLOCK // n)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _estimate(
    statistic: Callable[[NDArray[np.int64]], Any], n: int, resamples: int, seed: int
) -> Estimate:
    """The statistic of all n rows, and its interval over rows drawn anew."""
    if resamples < 1:
        raise UsageError(f"{resamples} resamples", "at least one", "leave them out for 10000")
    rng = np.random.default_rng(seed)
    blocks = _blocks(resamples, n)
    drawn = np.concatenate([statistic(rng.integers(0, n, size=(size, n))) for size in blocks])
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(statistic(np.arange(n))), float(low), float(high))
