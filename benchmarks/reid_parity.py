"""A trained network judged twice: by cdim, and by torchreid's own code on the same embeddings.

    pip install -e ".[train,dev]" && python benchmarks/reid_parity.py MODEL [DATASET]

MODEL is a run or a bundle, DATASET market1501 unless it is named (in $CDIM_DATA). torchreid gets
the gallery without junk, as from its own readers; its average precision is the step convention.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np

from cdim.api import load
from cdim.data.sets.catalogue import open_dataset
from cdim.judge.evaluate import evaluate
from cdim.judge.split import open_test


def torchreid_ranks() -> Any:
    """The module of metrics alone: the package itself wants old libraries."""
    path = distribution("torchreid").locate_file("torchreid/reid/metrics/rank.py")
    spec = importlib.util.spec_from_file_location("torchreid_rank", str(path))
    if spec is None or spec.loader is None:
        raise SystemExit("torchreid is not installed: pip install -e '.[dev]'")
    sys.modules["torchreid"] = None  # type: ignore[assignment]
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its Cython part is not built
        spec.loader.exec_module(module)
    return module


def main(place: str, dataset: str = "market1501") -> None:
    """Prints both judgements."""
    test = open_test(open_dataset(dataset), "test")
    model = load(Path(place), "auto")
    query, gallery = model.embed(test.query), model.embed(test.gallery)
    ours = evaluate(query, gallery, test.query, test.gallery, dataset=dataset).metrics
    kept = test.gallery.role != "junk"
    shown, labels = gallery[kept], test.gallery.take(kept)
    apart = (query**2).sum(1)[:, None] + (shown**2).sum(1)[None] - 2 * query @ shown.T
    people = np.concatenate([test.query.instance, labels.instance])
    ids = np.unique(people, return_inverse=True)[1]
    cmc, mean = torchreid_ranks().evaluate_rank(
        *(apart, ids[: len(query)], ids[len(query) :]),
        *(test.query.camera, labels.camera),
        use_cython=False,
    )
    print(f"cdim       rank-1 {ours['rank-1'].value:.6f}  mAP_step {ours['mAP_step'].value:.6f}")
    print(f"torchreid  rank-1 {cmc[0]:.6f}  mAP      {mean:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
