"""The artefact between training and use: a folder that holds all to turn images into vectors.

    model.onnx    the graph: `images` (and `domain`, where it matters) -> `features`, `embedding`
    bundle.json   everything else; every key is a field of `Bundle` below
    README.md     the model card, for people
    reliability.svg   how far the probabilities can be trusted, where they are calibrated

`cdim.learn.export` writes one, `cdim.bundles.encoder` runs it. The fingerprint names the vectors:
two bundles with the same one give the same vectors for the same image, so they may share a gallery.

A bundle may be a stranger's: its four files are read as plain files of bounded size, never through
a link, and nothing else of its folder is read or copied.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from cdim import strict
from cdim.data import edges
from cdim.data.preprocess import Preprocess
from cdim.disk import write_whole
from cdim.errors import ModelError, first_line, nearest
from cdim.metrics.calibration.probability import Calibration

FORMAT = 1
Precision = Literal["fp32", "fp16", "int8"]
MODEL, RECORD, CARD, RELIABILITY = "model.onnx", "bundle.json", "README.md", "reliability.svg"
PARTS = {MODEL: 2 * 2**30, RECORD: 2**22, CARD: 2**22, RELIABILITY: 2**22}
"""The files of a bundle, and how many bytes each has at most."""
LARGEST = 2**20
"""Dimensions of a vector, at most."""
# What stands before the word where protobuf writes the key "location", in however many bytes.
_KEY = re.compile(rb"(\x0a|\x8a\x80*[\0-\x7f])(\x08|\x88\x80*[\0-\x7f])\Z")
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
    """A number, and the data and form that it belongs to."""

    dataset: str  # its name, with the split, such as "qmul-shoe test" or "validation, 5 folds"
    metric: str  # such as "acc@1"
    value: float  # 0 to 1
    low: float  # lower end of the 95 % bootstrap interval
    high: float  # its upper end
    queries: int  # how many
    note: str = ""  # under which conditions, in words; "" for the bundle as it is


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
    wrong = [
        what
        for what, fits in {
            "query": bundle.query in said,
            "gallery": bundle.gallery in said,
            "domains": taken <= {*said, "edge"},
            "domain_input": not bundle.domain_input or taken <= set(bundle.domain_input),
            "dim": 0 < bundle.dim <= LARGEST,
            "features": 0 < bundle.features <= LARGEST,
        }.items()
        if not fits
    ]
    if wrong:
        raise ModelError(
            f"{bundle.folder / RECORD}: {wrong[0]} = {getattr(bundle, wrong[0])!r}",
            f"it goes with the rest of the record, and vectors have 1 to {LARGEST:,} dimensions",
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
    _check_part(folder / MODEL)
    return found


def copy_bundle(bundle: Bundle, folder: Path) -> None:
    """Copies a bundle, whole by `check_whole`, to a new folder: its files and nothing else.

    Raises:
        ModelError: a part is missing, no file, or too large, or the graph is another one.
        OSError: the folder cannot be written.
    """
    check_whole(bundle)
    there = [name for name in PARTS if os.path.lexists(bundle.folder / name)]
    parts = {name: _read_part(bundle.folder / name) for name in there}
    folder.mkdir()
    for name, content in parts.items():
        (folder / name).write_bytes(content)


def check_whole(bundle: Bundle) -> None:
    """The graph is the one that the record was written for, and holds all of its weights.

    Raises:
        ModelError: it is another one, damaged, or refers to other files.
    """
    graph = _read_part(bundle.model)
    if any(
        _KEY.search(graph, max(0, m.start() - 20), m.start())
        for m in re.finditer(b"location", graph)
    ):
        raise ModelError(
            f"{bundle.model} keeps weights in other files",
            "a bundle's graph holds all of its weights: another file may be anybody's",
            "export the run again",
        )
    if fingerprint(bundle, graph) != bundle.fingerprint:
        raise ModelError(
            f"{bundle.model} does not go with {RECORD} (another fingerprint)",
            "a bundle's files are used as they were written",
            "copy the bundle again, or export the run again",
        )


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Fingerprints a bundle whose graph lies in `folder`, and writes its bundle.json there."""
    named = replace(
        bundle, folder=folder, fingerprint=fingerprint(bundle, _read_part(folder / MODEL))
    )
    text = json.dumps(named.to_json(), indent=2, ensure_ascii=False)
    write_whole(folder / RECORD, (text + "\n").encode())
    return named


def fingerprint(bundle: Bundle, graph: bytes) -> str:
    """SHA-256, hexadecimal, of the graph and of what else decides how images become vectors."""
    said = {key: strict.plain(getattr(bundle, key)) for key in _VECTORS}
    if not bundle.preprocess.fill:  # bundles older than this key keep their fingerprints
        del said["preprocess"]["fill"]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(graph)
    return digest.hexdigest()


def shipped() -> list[str]:
    """Names of the bundles that come with cdim."""
    return sorted(p.parent.name for p in _SHIPPED.glob(f"*/{RECORD}"))


def _check_part(path: Path) -> int:
    """The size of a part of a bundle, which is a plain file, not too large, before it is opened."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{path.parent} has no {path.name}", "a bundle is whole", "export the run again"
        ) from None
    most = PARTS[path.name]
    if not stat.S_ISREG(found.st_mode) or found.st_size > most:
        size = f"has {found.st_size:,} bytes" if stat.S_ISREG(found.st_mode) else "is no plain file"
        raise ModelError(
            f"{path} {size}",
            f"a bundle's files are plain files, no links; this has at most {most:,} bytes",
            "copy the bundle again with the files that links lead to",
        )
    return found.st_size


def _read_part(path: Path) -> bytes:
    """The content of a part of a bundle."""
    size = _check_part(path)
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise ModelError(
            f"cannot read {path} ({error.strerror})",
            "a bundle's files can be read",
            "copy it again",
        ) from None


def _record(folder: Path) -> dict[str, Any]:
    content = _read_part(folder / RECORD)
    try:
        table = json.loads(content)
        json.dumps(table, ensure_ascii=False, allow_nan=False).encode()  # finite, and real text
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"cannot read {folder / RECORD} ({first_line(error)})",
            "it is a JSON file that an export wrote; its numbers are finite",
            "export the run again",
        ) from None
    if not isinstance(table, dict):
        raise ModelError(f"{folder / RECORD} is no table", "it is a JSON object", "export again")
    return table
