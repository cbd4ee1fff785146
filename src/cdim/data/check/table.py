"""Explains what is wrong with a dataset before it costs you an hour.

`check` reads the table, identities and cameras, every image, copies of images, and the
annotations. It says in words what is wrong, why that matters and what to do.
docs/data-check.md lists every code.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cdim.data.check.annotations import annotation_problems
from cdim.data.check.copies import copy_problems, shared_problems
from cdim.data.check.findings import Findings, Problem, counted
from cdim.data.check.identities import identity_problems, judged_by_camera
from cdim.data.check.input import input_problems
from cdim.data.check.pixels import Progress, look_at, names, pixel_problems
from cdim.data.check.suffixes import suffix_problems
from cdim.data.manifest import GALLERY, QUERY, Manifest
from cdim.data.sets.catalogue import Dataset, open_dataset
from cdim.errors import DataError, plural

__all__ = ["Findings", "Problem", "check", "check_known"]

COMPANIONS = {"qmul-chair-rgb": ("chairv2",), "chairv2": ("qmul-chair-rgb",)}
"""Known sets that have photos in common: training on one and testing on the other leaks."""


def check(
    dataset: Dataset,
    others: Sequence[Dataset] = (),
    progress: Progress | None = None,
    size: tuple[int, int] | None = None,
) -> Findings:
    """Looks for everything that is known to go wrong.

    Args:
        dataset: what is checked.
        others: sets that are, or may be, used together with it; images they have in
            common with it are reported.
        progress: called with (images read, images) now and then.
        size: (height, width) in pixels of the network's input, if images are to fit one.

    Raises:
        DataError: none of the images can be read.
    """
    manifest = dataset.manifest
    problems = [*table_problems(manifest), *identity_problems(dataset)]
    looks = look_at(manifest, progress)
    if looks and all(look.print is None for look in looks):
        raise DataError(
            f"0 of {plural(len(looks), 'image')} of {dataset.name} can be read ({looks[0].fault})",
            "a set has images that can be",
            "check the paths and the folder they start at, or fetch the files again",
        )
    problems += pixel_problems(manifest, looks)
    problems += suffix_problems(manifest, looks)
    if size is not None:
        problems += input_problems(manifest, looks, size)
    problems += copy_problems(manifest, looks)
    for other in others:
        problems += shared_problems(manifest, looks, other.name, other.manifest)
    problems += annotation_problems(dataset)
    return Findings(dataset.name, tuple(problems), counted(manifest), dataset.left_out)


def check_known(
    name_or_path: str,
    progress: Progress | None = None,
    size: tuple[int, int] | None = None,
    *,
    data: Path | None = None,
    layout: str | None = None,
    exclude: Sequence[str] = (),
) -> Findings:
    """Opens a dataset and checks it, against known sets with common photos too.

    Args:
        name_or_path: as `cdim.data.sets.catalogue.open_dataset`.
        progress: called with (images read, images) now and then.
        size: (height, width) in pixels of the network's input, if images are to fit one.
        data, layout, exclude: as for `open_dataset`.

    Raises:
        DataError: the dataset cannot be opened, or none of its images can be read.
    """
    dataset = open_dataset(name_or_path, data, layout=layout, exclude=exclude)
    opened = [_companion(name, data) for name in COMPANIONS.get(name_or_path, ())]
    others = [other for other in opened if isinstance(other, Dataset)]
    absent = [problem for problem in opened if isinstance(problem, Problem)]
    found = check(dataset, others, progress, size)
    return replace(found, problems=(*found.problems, *absent))


def table_problems(manifest: Manifest) -> Iterator[Problem]:
    """What the table alone tells: leaks, missing pairs, splits and domains."""
    if not len(manifest):
        yield Problem(
            "error",
            "empty-dataset",
            "The set has no images.",
            "There is nothing to train on or to search.",
            "Check the path, and that the folder is in one of the forms of docs/data.md.",
        )
        return
    yield from _leaks(manifest.take(manifest.role != "junk"))
    yield from _splits(manifest)
    yield from _domains(manifest)
    for split in dict.fromkeys(manifest.split.tolist()):
        part = manifest.where(split=split)
        place = f"the {split} split" if split else "the set"
        yield from _matches(part, place)
        yield from _few(part, place)


def _leaks(manifest: Manifest) -> Iterator[Problem]:
    where: dict[str, set[str]] = defaultdict(set)
    for name, split in zip(manifest.instance.tolist(), manifest.split.tolist(), strict=True):
        where[name].update({split} - {""})
    leaked = [name for name, splits in where.items() if len(splits) > 1]
    if leaked:
        yield Problem(
            "error",
            "instance-in-two-splits",
            f"{plural(len(leaked), 'instance occurs', 'instances occur')} in more than one split.",
            "The model is tested on things it was trained on: the numbers come out too good.",
            "Split by instance, all images of one on the same side.",
            [f"{name}: {', '.join(sorted(where[name]))}" for name in leaked],
        )
    # Sets whose instances are called "<split>/<name>" cannot leak by their full names.
    alike: dict[str, set[str]] = defaultdict(set)
    for split, name in (full.split("/", 1) for full in where if "/" in full):
        if split in where[f"{split}/{name}"]:
            alike[name].add(split)
    alike = {name: splits for name, splits in alike.items() if len(splits) > 1}
    if alike:
        yield Problem(
            "warning",
            "same-name-in-two-splits",
            f"{plural(len(alike), 'instance has', 'instances have')} the same name in more than "
            "one split.",
            "If it is the same thing, the model is tested on what it was trained on.",
            "Look at them. If names are plain numbers that start anew in each split, all is well.",
            [f"{name}: {', '.join(sorted(splits))}" for name, splits in alike.items()],
        )


def _splits(manifest: Manifest) -> Iterator[Problem]:
    splits = set(manifest.split.tolist())
    if splits == {""}:
        yield Problem(
            "info",
            "no-splits",
            "No image names its split.",
            "All of the set is used: fine for a gallery or for pre-training, not for "
            "training and testing on it.",
            "To train and test, give each image the split train, val or test, by instance.",
            count=len(manifest),
        )
    elif "train" in splits and "test" not in splits:
        yield Problem(
            "warning",
            "no-test-split",
            "There is a train split and no test split.",
            "Numbers measured on training or validation data prove nothing.",
            "Put some of the instances aside as the split test.",
        )
    if "" in splits and len(splits) > 1:
        rows = [row for row, split in enumerate(manifest.split.tolist()) if not split]
        yield Problem(
            "warning",
            "image-without-split",
            f"{plural(len(rows), 'image names', 'images name')} no split while others do.",
            "They are used neither for training nor for testing.",
            "Fill in their split, or remove them.",
            names(manifest, rows),
        )


def _domains(manifest: Manifest) -> Iterator[Problem]:
    domains = list(dict.fromkeys(manifest.domain.tolist()))
    has_sides = all(len(manifest.where(role=roles)) for roles in (QUERY, GALLERY))
    if len(domains) == 1 and not has_sides and not (manifest.camera >= 0).any():
        yield Problem(
            "info",
            "one-domain",
            f"All images are of the domain {domains[0]!r}.",
            "There is nothing to match across domains: fit for pre-training or as a gallery.",
            "If it should have two, check the column 'domain' or the names of the folders.",
        )
        return
    without_role = manifest.where(role="")
    where: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in manifest:
        where[row.split, row.instance].add(row.domain)
    keys = dict.fromkeys((row.split, row.instance) for row in without_role)
    alone = [key for key in keys if len(where[key]) == 1]
    if alone and len(domains) > 1:
        yield Problem(
            "warning",
            "instance-without-pair",
            f"{plural(len(alone), 'instance has', 'instances have')} images of one domain only.",
            "It takes both domains to learn or to measure a match.",
            "Add the other image, check for misspelt instance names, or remove them.",
            [f"{split or 'all'}: {name}" for split, name in alone],
        )


def _matches(part: Manifest, place: str) -> Iterator[Problem]:
    query, gallery = part.where(role=QUERY), part.where(role=GALLERY)
    listed, asked = Counter(gallery.instance.tolist()), set(query.instance.tolist())
    searched = list(zip(query.instance.tolist(), query.role == "both", strict=True))
    lost = [row for row, (name, both) in enumerate(searched) if listed[name] <= both]
    if lost:
        alone = "both" in query.role
        left_out = alone or judged_by_camera(part)
        yield Problem(
            "warning" if left_out and len(lost) < len(query) else "error",
            "query-without-match",
            f"{plural(len(lost), 'query has', 'queries have')} no {'other ' * alone}image of the "
            f"same instance in the gallery of {place}.",
            f"The {'leave-one-out' if alone else 'cross-camera'} protocol leaves them out: the "
            "numbers are about the other queries."
            if left_out
            else "These queries can never be right: every score is too low.",
            "Add the gallery images, check for misspelt instance names, or remove the queries.",
            names(query, lost, [f"instance {query.instance[row]}" for row in lost]),
        )
    unasked = [row for row, name in enumerate(gallery.instance.tolist()) if name not in asked]
    judged = len(gallery) or "test" in part.split.tolist()
    if judged and not len(query):
        yield Problem(
            "warning",
            "split-without-queries",
            f"{place[0].upper()}{place[1:]} has {'a gallery' if len(gallery) else 'no gallery'} "
            "and no queries.",
            "Nothing can be measured on it.",
            "Give images the roles query and gallery, or both, or judge with the protocol "
            "leave-one-out.",
        )
    elif unasked:
        yield Problem(
            "info",
            "gallery-without-query",
            f"{plural(len(unasked), 'gallery image')} of {place} "
            f"{'is' if len(unasked) == 1 else 'are'} of an instance without a query.",
            "They are distractors: they make the search harder, which may be wanted.",
            "Nothing, if they are meant to be there.",
            names(gallery, unasked),
        )


def _few(part: Manifest, place: str) -> Iterator[Problem]:
    domains = part.domain.tolist()
    for domain in dict.fromkeys(domains):
        if domains.count(domain) == 1:
            yield Problem(
                "warning",
                "domain-with-one-image",
                f"The domain {domain!r} has one image in {place}.",
                "One image alone teaches nothing; often its name is misspelt.",
                "Check the column 'domain' or the name of the folder.",
                names(part.where(domain=domain), [0]),
            )
    if len(set(part.instance.tolist())) == 1:
        yield Problem(
            "warning",
            "one-instance",
            f"All images of {place} show the same instance, {str(part.instance[0])!r}.",
            "Every answer is right, and there is nothing to learn from.",
            "Check the column 'instance' or the names of the folders.",
        )


def _companion(name: str, data: Path | None) -> Dataset | Problem:
    try:
        return open_dataset(name, data)
    except DataError as error:
        return Problem(
            "info",
            "not-compared",
            f"{name} is known to have photos in common with this set and was not compared with "
            f"it: {error.given}.",
            "Training on one and testing on the other leaks.",
            f"Put {name} under the same data root if you use both.",
        )
