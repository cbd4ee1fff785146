"""What is known of a bundle: held-out searches and test splits, as rows of its record."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import card
from cdim.bundles.bundle import Bundle, Measured, load_bundle, save_bundle
from cdim.bundles.encoder import Encoder
from cdim.judge.conditions import choose_protocol
from cdim.judge.evaluate import evaluate
from cdim.judge.split import sides
from cdim.metrics.calibration import fit
from cdim.metrics.calibration.cross_fit import cross_fit
from cdim.metrics.calibration.fit import Search
from cdim.metrics.significance import bootstrap


def measured(dataset: str, metric: str, values: NDArray[np.float64], note: str = "") -> Measured:
    """The mean of values (q,), query by query, with its interval, as a row of the record."""
    e = bootstrap(values)
    return Measured(dataset, metric, e.value, e.low, e.high, len(values), note)


def on_tests(made: Bundle, tests: Sequence[str], data: Path | None) -> list[Measured]:
    """The test splits of some datasets, searched with a finished bundle.

    Raises:
        UsageError: a dataset without queries or gallery in its test split.
        DataError: one that cannot be opened.
    """
    rows = []
    for name in tests:
        query, gallery = sides(name, data)
        protocol = choose_protocol(None, query, gallery)
        running = Encoder(made, "onnxruntime")
        report = evaluate(
            running.embed(query),
            running.embed(gallery),
            query,
            gallery,
            dataset=name,
            protocol=protocol,
        )
        wanted = ("acc@1", "acc@10") if protocol == "instance" else ("rank-1", "mAP_step")
        for metric in wanted:
            e = report.metrics[metric]
            rows.append(Measured(f"{name} test", metric, e.value, e.low, e.high, report.queries))
    return rows


def finish(made: Bundle, searches: Sequence[Sequence[Search]], folder: Path) -> Bundle:
    """Calibrates a bundle, writes its card and moves it to its place.

    Args:
        made: the bundle, in a folder of its own for now.
        searches: held-out ones in two parts or more; with fewer it gets no probabilities.
        folder: where it goes; new or empty.
    """
    reliability = None
    if len(searches) > 1:
        reliability = cross_fit(searches)
        fitted = fit.fit([search for part in searches for search in part])
        made = replace(made, calibration=fitted)
    made = save_bundle(made, made.folder)
    card.write(made, made.folder, reliability)
    if folder.exists():
        folder.rmdir()
    shutil.move(made.folder, folder)
    return load_bundle(folder)
