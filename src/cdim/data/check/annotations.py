"""The part of `cdim.data.check.table` about human triplets and the files they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cdim.data.arrays import read_mat
from cdim.data.check.findings import Problem
from cdim.data.check.pixels import container
from cdim.data.files import read_bytes
from cdim.data.manifest import Manifest
from cdim.data.sets.catalogue import Dataset
from cdim.data.triplets import Counts
from cdim.errors import DataError, plural

PAPER_TRIPLETS = {"qmul-shoe": 13_689, "qmul-chair": 9_000}
"""Numbers of triplets in Table 1 of the paper."""


def annotation_problems(dataset: Dataset) -> Iterator[Problem]:
    """Triplets that repeat or contradict, and annotation files that are not what they seem."""
    for split, triplets in dataset.triplets.items():
        yield from _answers(split, triplets.counts)
    yield from _paper(dataset)
    for folder in _release_folders(dataset.manifest):
        for file in sorted(folder.glob("*_annotation.json")):
            yield from _foreign_annotation(file, dataset.manifest)
        for file in sorted(folder.glob("*triplets*.mat")):
            yield from _triplet_file(file, dataset.manifest)


def _answers(split: str, counts: Counts) -> Iterator[Problem]:
    of_all = f"of {counts.given:,} in {split}"
    if counts.contradictions:
        yield Problem(
            "warning",
            "triplets-contradict-pairing",
            f"{plural(counts.contradictions, 'triplet')} {of_all} call another photo nearer to a "
            "sketch than the sketch's own.",
            "Trained on as they are, they push a pair apart. People do err: some of it is real.",
            "Nothing for training: Triplets.agreed() never puts a sketch's own photo second. "
            "Triplet accuracy on such answers cannot reach 100 %.",
            count=counts.contradictions,
        )
    if counts.reversals:
        yield Problem(
            "info",
            "triplets-disagree",
            f"{plural(counts.reversals, 'different triplet')} {of_all} have their opposite in "
            "the file.",
            "People disagreed; both at once teach nothing.",
            "Nothing: Triplets.agreed() lets the majority win and drops ties.",
            count=counts.reversals,
        )
    if counts.repeats:
        yield Problem(
            "info",
            "triplets-repeat",
            f"{plural(counts.repeats, 'triplet')} {of_all} "
            f"{'repeats' if counts.repeats == 1 else 'repeat'} an earlier one.",
            "Several people answered the same question; counts of triplets include repeats or not.",
            "Say which you count. Triplets.agreed() gives each question once.",
            count=counts.repeats,
        )
    if counts.sentinels:
        yield Problem(
            "info",
            "triplets-missing",
            f"{plural(counts.sentinels, 'triplet')} {of_all} are marked as missing (65535 or 255).",
            "Read as photo numbers they would be wrong or out of range.",
            "Nothing: they are left out.",
            count=counts.sentinels,
        )


def _paper(dataset: Dataset) -> Iterator[Problem]:
    published = PAPER_TRIPLETS.get(dataset.name.removesuffix("-rgb"))
    train = dataset.triplets.get("train")
    if published is None or train is None or train.counts.given == published:
        return
    counts = train.counts
    yield Problem(
        "info",
        "triplets-unlike-paper",
        f"The paper states {published:,} triplets; the train file holds {counts.given:,}, of which "
        f"{counts.given - counts.sentinels - counts.repeats:,} differ and "
        f"{len(train.agreed()):,} are settled.",
        "How the paper counted is not known.",
        "State the numbers of the files.",
    )


def _release_folders(manifest: Manifest) -> list[Path]:
    """Folders of the .mat files that images come from: releases keep annotations beside them."""
    files = {container(source, manifest.root) for source in manifest.source}
    mats = [file for file in files if file is not None and file.suffix.lower() == ".mat"]
    return sorted({file.parent for file in mats})


def _foreign_annotation(file: Path, manifest: Manifest) -> Iterator[Problem]:
    """An annotation that lists other numbers of images than the set has."""
    try:
        content = read_bytes(file)
        listed = {split: len(part["images"]) for split, part in json.loads(content).items()}
    except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield _unreadable(file, error)
        return
    held = {split: len(set(manifest.where(split=split).instance.tolist())) for split in listed}
    if listed == held:
        return
    twins = [
        twin
        for twin in sorted(file.parent.parent.glob("*/*_annotation.json"))
        if twin != file and read_bytes(twin) == content
    ]
    same = f"It is, byte for byte, {twins[0].parent.name}/{twins[0].name}. " if twins else ""
    yield Problem(
        "warning",
        "annotation-of-another-set",
        f"{file.name} is not about these images. {same}It lists {_amounts(listed)}; "
        f"the set has {_amounts(held)}.",
        "Triplets and pairs read from it would name the wrong images.",
        "Nothing: cdim does not read it for this set. Do not use it elsewhere either.",
        (file.name,),
    )


def _triplet_file(file: Path, manifest: Manifest) -> Iterator[Problem]:
    try:
        tables = list(read_mat(read_bytes(file), file.name).values())
    except DataError as error:
        yield _unreadable(file, error)
        return
    train, test = (len(set(manifest.where(split=s).instance.tolist())) for s in ("train", "test"))
    rows = max((len(table) for table in tables), default=0)
    if test and rows == train + test:
        yield Problem(
            "warning",
            "triplets-cover-test",
            f"{file.name} has {rows} rows: {train} of train and {test} of test.",
            "Training on all of it leaks the test set.",
            f"Nothing: cdim does not read it. Elsewhere, use the first {train} rows only, if the "
            "order is that of the images, or the triplets of the train split in *_annotation.json.",
            (file.name,),
        )
    if any(_machine_made(table) for table in tables):
        yield Problem(
            "warning",
            "triplets-machine-made",
            f"{file.name} holds no human answers: rows 2i and 2i + 1 are photo i against every "
            "other photo.",
            "It says no more than the pairing; results with it are no results with human "
            "annotations.",
            "Nothing: cdim does not read it. Triplets of true pairs are made on the fly.",
            (file.name,),
        )


def _machine_made(table: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    n = len(table) // 2
    if not n or table.shape != (2 * n, n - 1) or not np.issubdtype(table.dtype, np.integer):
        return False
    own = (table[0::2] == np.arange(n)[:, None]).all()
    others = [np.delete(np.arange(n), i) for i in range(n)]
    return bool(own and (np.sort(table[1::2], axis=1) == np.stack(others)).all())


def _unreadable(file: Path, fault: Exception) -> Problem:
    return Problem(
        "warning",
        "annotation-unreadable",
        f"{file.name} beside the images cannot be read.",
        "It may be damaged, or of a release that cdim does not know.",
        "Fetch it again.",
        (f"{file.name}: {fault}",),
    )


def _amounts(numbers: dict[str, int]) -> str:
    return " and ".join(f"{number} {split}" for split, number in sorted(numbers.items()))
