"""The last steps to a bundle, shared by `adapt` and `export`.

A head is put on the graph, the graph is compared with what it was made from, test splits are
measured, probabilities calibrated, the card written, and the folder moves to its place.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import card
from cdim.bundles.bundle import MODEL, Bundle, Measured, load_bundle, save_bundle
from cdim.bundles.encoder import Encoder, Output
from cdim.bundles.heads.graph import put_head
from cdim.bundles.heads.projection import Projection
from cdim.data.manifest import Manifest
from cdim.errors import ModelError
from cdim.judge.split import EvalSplit, judge
from cdim.metrics.calibration import fit
from cdim.metrics.calibration.cross_fit import cross_fit
from cdim.metrics.calibration.fit import LabelledSearch
from cdim.metrics.distances import distances, unit
from cdim.metrics.significance import Estimate, bootstrap

COSINE = 0.9999
"""Cosine of a vector of the graph and the one that was wanted, at least."""
TOP = 10
"""Nearest images that are the same by the graph and by the wanted vectors."""
TIE, TIE_HALF = 1e-4, 1e-2
"""Distances that count as one, in 32 and in 16 bits: engines round float32 up to 3e-5 apart."""

Values = dict[str, NDArray[np.float64]]
"""Of each metric its values (q,), query by query."""


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A working folder beside `folder`, removed at the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        yield Path(place)


def headed(
    base: Bundle, on: Output, head: Projection, folder: Path, *, half: bool = False
) -> Bundle:
    """A bundle with a head, fitted to one of its outputs, in a folder that is made here.

    With `half` the head's matrices are kept in 16 bits. Raises as `put_head`.
    """
    folder.mkdir()
    order = put_head(base, on, head, folder / MODEL, half=half)
    made = replace(base, dim=head.dim, length=1.0, domain_input=order, projection=head.words)
    return save_bundle(made, folder)


def check(
    made: Bundle, some: Manifest, wanted: Mapping[Output, NDArray[np.float32]], *, half: bool
) -> None:
    """Checks that the graph gives the vectors (n, d) that it should, of n images and some outputs.

    `half` says that its weights, or its head's, are kept in 16 bits.

    Raises:
        ModelError: a vector differs by more than `COSINE`, or one of the ten nearest is another,
            equally near within `TIE` excepted.
    """
    running = Encoder(made, "onnxruntime")
    for output, vectors in wanted.items():
        ours = running.embed(some, output=output)
        cosine = (unit(ours.astype(np.float64)) * unit(vectors.astype(np.float64))).sum(axis=1)
        if cosine.min() < COSINE:
            raise ModelError(
                f"{output} of the new graph differ from what they were made from "
                f"(cosine {cosine.min():.6f} of {some.source[int(cosine.argmin())]})",
                f"each has at least {COSINE}",
                "report this model; another version of onnxruntime, onnx or torch may do",
            )
        apart, graph_apart = distances(vectors, vectors), distances(ours, ours)
        order, graph_order = (np.argsort(d, axis=1)[:, :TOP] for d in (apart, graph_apart))
        rows = np.arange(len(some))[:, None]
        gap = np.abs(apart[rows, order] - apart[rows, graph_order])
        wrong = (gap > (TIE_HALF if half else TIE)).any(axis=1)
        if wrong.any():
            raise ModelError(
                f"the nearest by {output} of the new graph differ from those by what it was made "
                f"from, for {some.source[int(np.flatnonzero(wrong)[0])]}",
                f"the first {TOP} are the same",
                "report this model; another version of onnxruntime, onnx or torch may do",
            )


def pooled(parts: Sequence[Values]) -> Values:
    """The values of all parts together."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rows(dataset: str, metrics: Sequence[str], found: Mapping[str, Values]) -> tuple[Measured, ...]:
    """Means of some metrics with their intervals, as the record has them; values by their notes."""
    return tuple(
        _row(dataset, name, bootstrap(values[name]), len(values[name]), note)
        for note, values in found.items()
        for name in metrics
    )


def _row(dataset: str, metric: str, e: Estimate, queries: int, note: str = "") -> Measured:
    return Measured(dataset, metric, e.value, e.low, e.high, queries, note)


def finish(
    made: Bundle,
    searches: Sequence[Sequence[LabelledSearch]],
    folder: Path,
    tests: Mapping[str, EvalSplit],
) -> Bundle:
    """Measures and calibrates a bundle, writes its card and moves it to its place.

    Args:
        made: the bundle, in a folder of its own for now.
        searches: held-out ones in two parts or more; with fewer it gets no probabilities.
        folder: the bundle's folder; new or empty.
        tests: the test splits to measure it on, by the names that its record gives them.
    """
    metrics = list(made.metrics)
    for name, test in tests.items():
        report = judge(Encoder(made, "onnxruntime"), test)
        people = test.protocol != "instance"
        for metric in ("rank-1", "mAP_step") if people else ("acc@1", "acc@10"):
            e = report.metrics[metric]
            metrics.append(_row(f"{name} test", metric, e, report.queries))
    reliability = calibration = None
    if len(searches) > 1:
        reliability = cross_fit(searches)
        calibration = fit.fit([search for part in searches for search in part])
    made = replace(made, calibration=calibration, metrics=tuple(metrics))
    made = save_bundle(made, made.folder)
    card.write(made, made.folder, reliability)
    if folder.exists():
        folder.rmdir()
    shutil.move(made.folder, folder)
    return load_bundle(folder)
