"""The artefact between training and use: a folder that holds all to turn images into vectors.

    model.onnx    the graph: `images` (and `domain`, where it matters) -> `features`, `embedding`
    bundle.json   everything else; every key is a field of `Bundle` below
    README.md     the model card, for people
    reliability.svg   how far the probabilities can be trusted, where they are calibrated

`cdim.learn.export` writes one, `cdim.bundles.encoder` runs it. The fingerprint names the vectors:
two bundles with the same one give the same vectors for the same image, so they may share a gallery.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cdim import strict
from cdim.data import edges
from cdim.data.preprocess import Preprocess
from cdim.disk import write_whole
from cdim.errors import ModelError, nearest
from cdim.metrics.calibration.probability import Calibration

FORMAT = 1
Precision = Literal["fp32", "fp16", "int8"]
MODEL, RECORD, CARD = "model.onnx", "bundle.json", "README.md"
DOCUMENT = strict.Document("bundle", ModelError)
_SHIPPED = Path(__file__).with_name("shipped")
# What decides how an image becomes a vector, beside the graph.
_VECTORS = ("preprocess", "domains", "domain_input", "distance", "edge_maps")


@dataclass(frozen=True)
class TrainingSet:
    """A dataset that the model has seen, and what may be done with it."""

    name: str
    terms: str


@dataclass(frozen=True)
class Measured:
    """A number, and the data and form that it belongs to.

    Args:
        dataset: its name, with the split, such as "qmul-shoe test" or "validation, 5 folds".
        metric: such as "acc@1".
        value: 0 to 1.
        low: lower end of the 95 % bootstrap interval.
        high: its upper end.
        queries: how many.
        note: under which conditions, in words; "" for the bundle as it is.
    """

    dataset: str
    metric: str
    value: float
    low: float
    high: float
    queries: int
    note: str = ""


@dataclass(frozen=True, repr=False)
class Bundle:
    """The content of bundle.json.

    Args:
        name: the model's.
        preprocess: pixels to the graph's input.
        features: dimensions of the output `features`.
        dim: dimensions of the output `embedding`.
        backbone: the network's name.
        taps: the middle maps that are fused.
        distance: how embeddings are compared.
        length: Euclidean length that every embedding has, or None where it varies.
        query: the domain of what people search with.
        gallery: the domain of what they search in.
        domains: every domain that is accepted, and what its images are turned into before they
            go into the graph: itself, or "edge" for photos that become edge maps.
        domain_input: names of the domains the graph treats differently, in the order of the
            numbers its input `domain` takes; () where it treats all alike.
        training: what the model was trained on.
        metrics: how good it is.
        calibration: from distances to probabilities, or None where there was no data to fit it.
        precision: "fp32"; "fp16" for weights that are kept in 16 bits while all is computed in 32;
            or "int8" for quantised weights and activations.
        projection: how the embedding was made shorter, in words; "" where it was not.
        final: whether the network's last feature is joined to the middle maps.
        edge_maps: version of `cdim.data.edges` that makes edge maps of photos.
        seed: of the training.
        fingerprint: SHA-256 of the graph and all that decides how images become vectors.
        folder: where it was read from.
    """

    name: str
    preprocess: Preprocess
    features: int
    dim: int
    backbone: str
    taps: tuple[str, ...]
    query: str
    gallery: str
    domains: Mapping[str, str]
    training: tuple[TrainingSet, ...]
    distance: Literal["euclidean"] = "euclidean"
    length: float | None = None
    domain_input: tuple[str, ...] = ()
    metrics: tuple[Measured, ...] = ()
    calibration: Calibration | None = None
    precision: Precision = "fp32"
    projection: str = ""
    final: bool = True
    edge_maps: int = edges.VERSION
    seed: int | None = None
    fingerprint: str = ""
    folder: Path = field(default_factory=Path, compare=False)

    def __repr__(self) -> str:
        way = f"{self.query} to {self.gallery}, {self.dim} dimensions, {self.precision}"
        return f"<Bundle {self.name!r}: {way}>"

    @property
    def model(self) -> Path:
        """The graph's file."""
        return self.folder / MODEL

    def taken_as(self, domain: str) -> str:
        """What images of a domain are turned into.

        Raises:
            ModelError: a domain the model does not know.
        """
        if domain not in self.domains:
            raise ModelError(
                f"images of domain {domain!r}",
                f"{self.name} takes {', '.join(self.domains)}",
                nearest(domain, self.domains),
            )
        return self.domains[domain]

    def to_json(self) -> dict[str, Any]:
        """The content of bundle.json."""
        table: dict[str, Any] = {"format": FORMAT, **strict.plain(self)}
        del table["folder"]
        return table


def _check(bundle: Bundle) -> None:
    """Whether the fields fit together."""
    said, taken = bundle.domains, set(bundle.domains.values())
    numbers = list(vars(bundle.calibration).values()) if bundle.calibration else [0.0]
    wrong = [
        what
        for what, fits in {
            "query": bundle.query in said,
            "gallery": bundle.gallery in said,
            "domains": taken <= {*said, "edge"},
            "domain_input": not bundle.domain_input or taken <= set(bundle.domain_input),
            "dim": bundle.dim > 0,
            "features": bundle.features > 0,
            "calibration": np.isfinite(np.hstack(numbers)).all(),
        }.items()
        if not fits
    ]
    if wrong:
        raise ModelError(
            f"{bundle.folder / RECORD}: {wrong[0]} = {getattr(bundle, wrong[0])!r}",
            "it goes with the rest of the record, and numbers are finite",
            "export the run again",
        )


def is_bundle(place: str | Path) -> bool:
    """Whether `load` would find a bundle there: a folder, or the name of a shipped one."""
    return os.path.isfile(Path(place) / RECORD) or str(place) in shipped()


def load_bundle(place: str | Path) -> Bundle:
    """Reads a bundle from its folder, or one that comes with cdim by its name (see `shipped`).

    Raises:
        ModelError: no such folder or name, a part of it missing or damaged.
    """
    folder = Path(place)
    if not os.path.isfile(folder / RECORD):
        if str(place) not in shipped():
            raise ModelError(
                f"{str(place)!r} is no bundle: there is no {folder / RECORD}",
                f"a bundle is the folder of an export, or one of {', '.join(shipped())}",
                "check the path, or export a run to it",
            )
        folder = _SHIPPED / str(place)
    table = _record(folder)
    if table.pop("format", None) != FORMAT:
        raise ModelError(
            f"{folder / RECORD} is not of format {FORMAT}",
            "this version of cdim reads that format",
            "export the run again",
        )
    found: Bundle = strict.build(Bundle, {**table, "folder": folder}, DOCUMENT)
    _check(found)
    if "edge" in found.domains.values() and found.edge_maps != edges.VERSION:
        raise ModelError(
            f"{folder} goes with edge maps of version {found.edge_maps}",
            f"this version of cdim makes those of version {edges.VERSION}",
            "export the run again, and index galleries anew",
        )
    if not found.model.is_file():
        raise ModelError(f"{folder} has no {MODEL}", "a bundle is whole", "export the run again")
    return found


def check_whole(bundle: Bundle) -> None:
    """The graph is the one that the record was written for.

    Raises:
        ModelError: it is another one, or damaged.
    """
    if fingerprint(bundle, bundle.model) != bundle.fingerprint:
        raise ModelError(
            f"{bundle.model} does not go with {RECORD} (another fingerprint)",
            "a bundle's files are used as they were written",
            "copy the bundle again, or export the run again",
        )


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Fingerprints a bundle whose graph lies in `folder`, and writes its bundle.json there."""
    named = replace(bundle, folder=folder, fingerprint=fingerprint(bundle, folder / MODEL))
    text = json.dumps(named.to_json(), indent=2, ensure_ascii=False)
    write_whole(folder / RECORD, (text + "\n").encode())
    return named


def fingerprint(bundle: Bundle, model: Path) -> str:
    """SHA-256, hexadecimal, of the graph and of what else decides how images become vectors."""
    said = {key: strict.plain(getattr(bundle, key)) for key in _VECTORS}
    if not bundle.preprocess.fill:  # bundles older than this key keep their fingerprints
        del said["preprocess"]["fill"]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(model.read_bytes())
    return digest.hexdigest()


def shipped() -> list[str]:
    """Names of the bundles that come with cdim."""
    return sorted(p.parent.name for p in _SHIPPED.glob(f"*/{RECORD}"))


def _record(folder: Path) -> dict[str, Any]:
    try:
        table = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot read {folder / RECORD} ({error})",
            "it is a JSON file that an export wrote",
            "export the run again",
        ) from None
    if not isinstance(table, dict):
        raise ModelError(f"{folder / RECORD} is no table", "it is a JSON object", "export again")
    return table
