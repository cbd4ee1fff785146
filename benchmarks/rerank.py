"""Re-ranking against a literal version of the authors' code: time, memory and mAP, in one run.

    python benchmarks/rerank.py                                # Market-1501's size
    python benchmarks/rerank.py --queries 500 --gallery 3000   # a quick look

Features are random clusters with the structure of Market-1501's test set: 751 people, 6 cameras
that shift all they see, noise in few dimensions, so that neighbours of neighbours tell something.
Each version runs in a process of its own, one after the other; the literal one needs 11 GB or
more at the full size. Its clock starts where the authors' code does, at a finished matrix of all
distances; that of cdim starts at the features. CPU seconds are those of all threads; they say
more than seconds when the machine is shared. Memory is the process's peak less its peak when the
clock started, so that the matrix handed to the literal version does not count for it.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.metrics.distances import distances
from cdim.metrics.rerank import k_reciprocal

Matrix = NDArray[np.float32]
PEOPLE, CAMERAS = 751, 6


def make(folder: Path, queries: int, gallery: int, d: int, noise: float) -> None:
    """Writes features, people and cameras, queries first."""
    rng = np.random.default_rng(0)
    n, few = queries + gallery, max(1, d // 16)
    person, camera = rng.integers(0, PEOPLE, n), rng.integers(0, CAMERAS, n)
    pose = rng.standard_normal((n, few)) @ rng.standard_normal((few, d)) / few**0.5
    made = rng.standard_normal((PEOPLE, d))[person] + noise * pose
    made += 0.5 * rng.standard_normal((CAMERAS, d))[camera]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    features = made.astype(np.float32)
    np.savez(folder / "set.npz", q=queries, features=features, person=person, camera=camera)


def reciprocal(order: NDArray[np.int32], i: int, k: int) -> NDArray[np.int32]:
    """Those among the first k + 1 of i that have i among theirs."""
    forward = order[i, : k + 1]
    return forward[np.where(order[forward, : k + 1] == i)[0]]


def literal(apart: Matrix, q: int, k1: int = 20, k2: int = 6, weight: float = 0.3) -> NDArray[Any]:
    """The authors' algorithm step by step, as widely copied: full matrices, loops over rows."""
    original = np.power(apart, 2).astype(np.float32)
    original = np.transpose(original / np.max(original, axis=0))
    v = np.zeros_like(original, dtype=np.float32)
    order = np.argsort(original).astype(np.int32)
    n = len(original)
    for i in range(n):
        members = reciprocal(order, i, k1)
        wider = members
        for c in members:
            half = reciprocal(order, c, int(np.around(k1 / 2)))
            if len(np.intersect1d(half, members)) > 2 / 3 * len(half):
                wider = np.append(wider, half)
        wider = np.unique(wider)
        share = np.exp(-original[i, wider])
        v[i, wider] = share / np.sum(share)
    original = original[:q]
    if k2 != 1:
        mean = np.zeros_like(v)
        for i in range(n):
            mean[i] = np.mean(v[order[i, :k2]], axis=0)
        v = mean
        del mean
    del order
    holders = [np.where(v[:, i] != 0)[0] for i in range(n)]
    jaccard = np.zeros_like(original, dtype=np.float32)
    for i in range(q):
        least = np.zeros(n, dtype=np.float32)
        for j in np.where(v[i] != 0)[0]:
            least[holders[j]] += np.minimum(v[i, j], v[holders[j], j])
        jaccard[i] = 1 - least / (2 - least)
    found: NDArray[Any] = jaccard * (1 - weight) + original * weight
    return found[:, q:]


def measure(folder: Path, way: str) -> tuple[float, float, float]:
    """Seconds, CPU seconds and GB of one version; writes its distances."""
    loaded = np.load(folder / "set.npz")
    q, features = int(loaded["q"]), loaded["features"]
    apart = distances(features, features) if way == "literal" else None
    started = usage(), time.perf_counter()
    out = k_reciprocal(features[:q], features[q:]) if apart is None else literal(apart, q)
    after = usage(), time.perf_counter()
    np.save(folder / f"{way}.npy", out)
    return after[1] - started[1], after[0][0] - started[0][0], after[0][1] - started[0][1]


def usage() -> tuple[float, float]:
    """CPU seconds so far and peak memory so far in GB."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


def judge(folder: Path) -> tuple[float, dict[str, float]]:
    """Largest difference between the two results, and mAP of plain and re-ranked distances."""
    loaded = np.load(folder / "set.npz")
    q, features, person, camera = (loaded[x] for x in ("q", "features", "person", "camera"))
    found = {"plain": distances(features[:q], features[q:])}
    found.update({way: np.load(folder / f"{way}.npy") for way in ("literal", "cdim")})
    apart = float(np.abs(found["literal"] - found["cdim"]).max())
    return apart, {name: mean_ap(m, person, camera) for name, m in found.items()}


def mean_ap(apart: Matrix, person: NDArray[Any], camera: NDArray[Any]) -> float:
    """Step mAP; for each query its own person in its own camera is ignored."""
    q = len(apart)
    found = []
    for i, row in enumerate(apart):
        same = person[q:] == person[i]
        kept = ~(same & (camera[q:] == camera[i]))
        hits = np.flatnonzero(same[kept][np.argsort(row[kept], kind="stable")])
        if len(hits):
            found.append((np.arange(1, len(hits) + 1) / (hits + 1)).mean())
    return float(np.mean(found))


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a fresh process, so that this one stays small and peaks are its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Re-ranking: cdim against the authors' way.")
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=19732)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--noise", type=float, default=1.4, help="1: as people differ")
    given = parser.parse_args()
    print(f"{given.queries} queries, {given.gallery} gallery items, {given.dimensions} dimensions")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone(make, folder, given.queries, given.gallery, given.dimensions, given.noise)
        numbers = {way: alone(measure, folder, way) for way in ("cdim", "literal")}
        difference, maps = alone(judge, folder)
    for way, (seconds, cpu, memory) in numbers.items():
        print(f"{way}: {seconds:.1f} s, {cpu:.1f} CPU s, {memory:.2f} GB, mAP {maps[way]:.6f}")
    ratios = [a / b for a, b in zip(numbers["literal"], numbers["cdim"], strict=True)]
    print("literal / cdim: {:.1f} in time, {:.1f} in CPU time, {:.1f} in memory".format(*ratios))
    print(f"mAP before {maps['plain']:.6f}, difference {abs(maps['cdim'] - maps['literal']):.1e}")
    print(f"largest difference of a distance {difference:.1e}")


if __name__ == "__main__":
    main()
