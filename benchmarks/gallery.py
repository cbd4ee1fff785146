"""What a gallery costs: putting, reopening after a kill, and exact search against HNSW.

    python benchmarks/gallery.py                        sizes 2,000 to 100,000, 512 dimensions
    python benchmarks/gallery.py --vectors my.npy       vectors (n, d) of your own instead

Made-up vectors lie near a 24-dimensional curved surface in clusters, as embeddings do; vectors
with no structure at all would make any index look useless. Every ratio is of one run.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.find.items import Item
from cdim.find.stores.edge import EdgeStore

SIZES = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
QUERIES = 200
K = 10
THUMBNAIL = bytes(range(256)) * 12  # 3 kB, as a small JPEG


def made_up(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors (n, dim) of length one: clusters on a curved surface of 24 dimensions."""
    rng = np.random.default_rng(seed)
    surface = np.random.default_rng(1234).normal(size=(24, dim))
    centres = np.random.default_rng(4321).normal(size=(200, 24))
    hidden = centres[rng.integers(0, 200, n)] + rng.normal(size=(n, 24)) * 0.7
    vectors = np.tanh(hidden @ surface / 5) + rng.normal(size=(n, dim)) * 0.05
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors, dtype=np.float32)


def items(start: int, stop: int) -> list[Item]:
    """Made-up items."""
    return [
        Item(f"folder/{i}.jpg", metadata={"number": i, "kind": "abcde"[i % 5]}, thumbnail=THUMBNAIL)
        for i in range(start, stop)
    ]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fill(store: EdgeStore, vectors: NDArray[np.float32], start: int = 0) -> None:
    """Puts vectors from a row on, a thousand at a time."""
    for row in range(start, len(vectors), 1000):
        stop = min(row + 1000, len(vectors))
        store.put(items(row, stop), vectors[row:stop])


def search(store: EdgeStore, queries: NDArray[np.float32]) -> tuple[float, list[set]]:
    """Median milliseconds a search, and what was found."""
    took, found = [], []
    for query in queries:
        start = time.perf_counter()
        found.append(store.nearest(query, K, ()))
        took.append(time.perf_counter() - start)
    return 1000 * float(np.median(took)), [{f.item.id for f in near} for near in found]


def compare(vectors: NDArray[np.float32], queries: NDArray[np.float32], sizes: list[int]) -> None:
    """Exact search against HNSW at growing sizes."""
    print("items    exact ms  HNSW ms  ratio  recall@10  build s  put s")
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            store = EdgeStore(Path(folder) / "shard", vectors.shape[1], create=True)
            put = seconds(lambda: fill(store, vectors[:n]))  # noqa: B023
            exact, truth = search(store, queries)  # without a graph, all items are compared
            build = seconds(store.optimise)
            fast, found = search(store, queries)
            recall = np.mean([len(a & b) / K for a, b in zip(truth, found, strict=True)])
            print(
                f"{n:>7}  {exact:8.2f}  {fast:7.2f}  {exact / fast:5.2f}  {recall:9.3f}  "
                f"{build:7.1f}  {put:5.1f}",
                flush=True,
            )
            store.close()


def reopen(vectors: NDArray[np.float32]) -> None:
    """How long opening takes after a kill, and after a close."""
    with tempfile.TemporaryDirectory() as folder:
        file, place = Path(folder) / "vectors.npy", Path(folder) / "shard"
        np.save(file, vectors)
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, __file__, "--fill", str(place), "--vectors", str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        print(child.stdout.readline().strip() if child.stdout else "")
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        for after in ("a kill", "a close"):
            opened: list[EdgeStore] = []
            took = seconds(lambda: opened.append(EdgeStore(place, vectors.shape[1])))  # noqa: B023
            print(f"opened in {took:.2f} s after {after}: {opened[0].count(())} items")
            opened[0].close()


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, help="a .npy of your own vectors (n, d)")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        vectors = np.load(given.vectors)
        store = EdgeStore(given.fill, vectors.shape[1], create=True)
        print(f"put {len(vectors)} in {seconds(lambda: fill(store, vectors)):.1f} s", flush=True)
        time.sleep(600)
    elif given.vectors:
        mine = np.load(given.vectors).astype(np.float32)
        rows = np.random.default_rng(0).permutation(len(mine))
        sizes = [n for n in given.sizes if n <= len(mine) - QUERIES]
        compare(mine[rows[QUERIES:]], mine[rows[:QUERIES]], sizes)
    else:
        vectors = made_up(max(given.sizes), given.dim)
        compare(vectors, made_up(QUERIES, given.dim, seed=7), given.sizes)
        reopen(vectors)


if __name__ == "__main__":
    main()
