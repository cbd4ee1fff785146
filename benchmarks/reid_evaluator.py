"""How fast a person re-identification test set is judged: cdim against torchreid's Python code.

    pip install -e ".[dev]" && python benchmarks/reid_evaluator.py

Random features with the sizes of Market-1501's test set, 512 dimensions. Both start from the
embeddings and end with numbers: torchreid 0.2.5 with CMC and step AP, from a float32 distance
matrix that it needs whole; cdim with CMC, AP in both conventions, mINP and ranked lists. What
torchreid lacks, the breakdown by camera and bootstrap intervals, is timed by itself.

cdim runs in a process of its own that holds nothing but the embeddings, so that the growth of
its peak memory is what judging takes. Numbers mean something on an idle machine only: cdim's work
is bound by memory and vector units, which other work takes away first.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cdim.metrics.average_precision import average_precision, inverse_negative_penalty
from cdim.metrics.distances import distances
from cdim.metrics.protocol import Labels
from cdim.metrics.retrieval import retrieve
from cdim.metrics.significance import bootstrap

QUERIES, GALLERY, DISTRACTORS, JUNK = 3368, 13115, 2798, 3819
PEOPLE, CAMERAS, NOISE = 750, 6, 2.5
Matrix = NDArray[np.float32]


def market(folder: Path, dimensions: int) -> Labels:
    """Saves random embeddings in `folder` and returns whose they are; junk comes last."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((PEOPLE + 1, dimensions), dtype=np.float32)
    asked = rng.integers(1, PEOPLE + 1, QUERIES)
    counted = np.concatenate([rng.integers(1, PEOPLE + 1, GALLERY), np.zeros(DISTRACTORS, int)])
    offered = np.concatenate([counted, np.full(JUNK, -1)])
    for name, ids in (("query", asked), ("gallery", offered)):
        noise = NOISE * rng.standard_normal((len(ids), dimensions), dtype=np.float32)
        np.save(folder / f"{name}.npy", people[np.maximum(ids, 0)] + noise)
    theirs, ours = (rng.integers(1, CAMERAS + 1, len(ids)) for ids in (asked, offered))
    return Labels(asked, offered, theirs, ours, offered == -1)


def peak() -> float:
    """Most memory this process has held, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def cdim(folder: Path, labels: Labels) -> dict[str, float]:
    """Judges once and says what it found and what it took."""
    query, gallery = (np.load(folder / f"{name}.npy") for name in ("query", "gallery"))
    query[:8] @ gallery[:8].T  # the threads of the matrix product are started before
    before, started, busy = peak(), time.perf_counter(), time.process_time()
    _, lists, _ = retrieve(lambda rows: distances(query[rows], gallery), labels, "cross-camera", 20)
    ranks, counts = lists.correct_ranks, lists.correct_counts
    first = ranks[np.cumsum(counts) - counts]
    values = [first <= k for k in (1, 5, 10, 20)]
    values += [average_precision(ranks, counts, name) for name in ("step", "trapezoid")]
    values.append(inverse_negative_penalty(ranks, counts))
    means = [float(value.mean()) for value in values]
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    grown = peak() - before
    started = time.perf_counter()
    for value in values:
        bootstrap(value)
    drawn = time.perf_counter() - started
    started = time.perf_counter()
    retrieve(lambda rows: distances(query[rows], gallery), labels, "cross-camera", 20, True)
    return {
        "rank-1": means[0],
        "mAP_step": means[4],
        "seconds": seconds,
        "busy": busy,
        "megabytes": grown,
        "bootstrap": drawn,
        "by camera": time.perf_counter() - started - seconds,
    }


def torchreid(folder: Path, labels: Labels) -> dict[str, float]:
    """The same by torchreid, whose reader drops junk first."""
    rank = _torchreid_rank()
    counted = ~labels.junk
    query, gallery = np.load(folder / "query.npy"), np.load(folder / "gallery.npy")[counted]
    started, busy = time.perf_counter(), time.process_time()
    lengths = [np.einsum("ij,ij->i", side, side) for side in (query, gallery)]
    matrix = np.add.outer(*lengths) - 2 * (query @ gallery.T)
    cmc, mean = rank.evaluate_rank(
        matrix,
        labels.query_ids,
        labels.gallery_ids[counted],
        labels.query_cameras,
        labels.gallery_cameras[counted],
        use_cython=False,
    )
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    return {"rank-1": float(cmc[0]), "mAP_step": float(mean), "seconds": seconds, "busy": busy}


def _torchreid_rank() -> Any:
    """The package's `rank.py` by itself: the rest of it needs further packages."""
    path = distribution("torchreid").locate_file("torchreid/reid/metrics/rank.py")
    spec = importlib.util.spec_from_file_location("torchreid_rank", str(path))
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["torchreid"] = None  # type: ignore[assignment]  # it then takes its Python code
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Cython evaluation")
        spec.loader.exec_module(module)
    return module


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Time and memory of judging Market-1501.")
    parser.add_argument("--dimensions", type=int, default=512, help="length of an embedding")
    parser.add_argument("--rounds", type=int, default=3, help="runs of cdim; the median counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = market(folder, arguments.dimensions)
        runs = []
        for _ in range(arguments.rounds):  # a process each, for the peak of memory never falls
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                runs.append(pool.apply(cdim, (folder, labels)))
        ours = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
        theirs = torchreid(folder, labels)
    for kind, found in (("cdim", ours), ("torchreid", theirs)):
        print(
            f"{kind}: {found['seconds']:.2f} s, {found['busy']:.2f} s of processor time, "
            f"rank-1 {found['rank-1']:.6f}, mAP_step {found['mAP_step']:.6f}"
        )
    for what, key in (("torchreid / cdim", "seconds"), ("in processor time", "busy")):
        print(f"{what} = {theirs[key] / ours[key]:.1f}")
    print(f"cdim's peak memory above the embeddings: {ours['megabytes']:.0f} MB")
    print(f"intervals of seven numbers by bootstrap: {ours['bootstrap']:.2f} s more")
    print(f"breakdown by camera: {ours['by camera']:.2f} s more")


if __name__ == "__main__":
    main()
