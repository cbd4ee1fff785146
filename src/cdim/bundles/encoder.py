"""A bundle at work: images in, vectors out, on ONNX Runtime or OpenVINO. No PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import engines
from cdim.bundles.bundle import Bundle, check_whole, load_bundle
from cdim.bundles.embeddings import Embeddings, similarity
from cdim.bundles.queries import QueryImage, listed, read_query
from cdim.data import images
from cdim.data.decoding import decoded
from cdim.data.manifest import Manifest
from cdim.errors import ModelError, plural
from cdim.strict import checked

BATCH = 32
AHEAD = 3 * BATCH  # images that are decoded while a batch is in the network
SAME = 0.01
"""How far, of its length, a vector may be from that of the same picture in another batch."""

Progress = Callable[[int, int], None]
Job = Callable[[], QueryImage]
"""How to read an image."""
Output = Literal["embedding", "features"]
_DIM: dict[Output, str] = {"embedding": "dim", "features": "features"}


class Encoder:
    """Turns images into vectors, in batches, decoding the next while one is in the network.

    Safe to use from several threads.

    Args:
        bundle: what to run: a bundle's folder, the name of one that comes with cdim, or the bundle.
        engine: "onnxruntime", "openvino" (extra `cdim[openvino]`), or
            "auto": OpenVINO where it is installed. `Encoder.engine` names it.

    Raises:
        ModelError: no bundle there, or a damaged one; or its graph does not turn each picture into
            vectors of the sizes that the record says.
        MissingExtra: OpenVINO is chosen and not installed.
        UsageError: an unknown engine.
    """

    @checked
    def __init__(self, bundle: str | Path | Bundle, engine: str = "auto") -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        check_whole(self.bundle)
        self.engine, self._run = engines.start(self.bundle, engine)
        self._try()

    @property
    def seed(self) -> int | None:
        """The seed the model was trained with."""
        return self.bundle.seed

    def __repr__(self) -> str:
        domains = ", ".join(self.bundle.domains)
        return f"<Encoder {self.bundle.name!r}: {domains} to {self.bundle.dim} dimensions>"

    @checked
    def encode(
        self,
        source: Any,
        domain: str | None = None,
        *,
        output: Output = "embedding",
        progress: bool | Progress = False,
    ) -> Embeddings:
        """Vectors of images.

        Args:
            source: what `Gallery.search` takes: a path, bytes, a PIL image, a uint8 array (h, w)
                or (h, w, 3), an SVG or strokes; a list of these; or a folder: all images in it
                and below, by name.
            domain: one of `bundle.domains`; None to find out for each image: drawings are
                sketches, and an image is one if it is thin lines on white.
            output: "embedding", compared by `bundle.distance`, or "features", the fused vector
                before any projection.
            progress: True for a bar on the terminal, or a function of (done, all).

        Returns:
            The vectors, float32 (n, d), d = `bundle.dim` or `bundle.features`, their names, and the
            files of a folder that are left out.

        Raises:
            DataError: a folder without images.
            ImageError: an image cannot be read; names it.
            ModelError: a domain the model does not know.
            UsageError: no image.
        """
        if domain is not None:
            self.bundle.taken_as(domain)
        if progress is True:
            from tqdm import tqdm

            with tqdm(unit=" images") as bar:

                def show(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                return self.encode(source, domain, output=output, progress=show)
        given, left_out = listed(source)
        with images.Files() as opened:
            jobs = [partial(read_query, one, domain, self.bundle, opened) for _, one in given]
            vectors = self._encode(jobs, output, progress or None)
        return Embeddings(vectors, tuple(name for name, _ in given), left_out)

    @checked
    def encode_query(self, source: Any, **options: Any) -> Embeddings:
        """As `encode`, for what people search with (`bundle.query`)."""
        return self.encode(source, self.bundle.query, **options)

    @checked
    def encode_gallery(self, source: Any, **options: Any) -> Embeddings:
        """As `encode`, for what people search in (`bundle.gallery`)."""
        return self.encode(source, self.bundle.gallery, **options)

    similarity = staticmethod(similarity)

    @checked
    def encode_pixels(
        self, pixels: Sequence[NDArray[np.uint8]], domain: str
    ) -> NDArray[np.float32]:
        """Embeddings (n, dim) of images that are decoded already.

        Raises:
            ModelError: a domain the model does not know.
        """
        self.bundle.taken_as(domain)
        return self._encode([partial(QueryImage, p, domain) for p in pixels], "embedding", None)

    @checked
    def embed(
        self, manifest: Manifest, progress: Progress | None = None, output: Output = "embedding"
    ) -> NDArray[np.float32]:
        """Vectors (n, d) of a manifest's images, each as its column `domain` says.

        Raises:
            ImageError: an image cannot be read.
            ModelError: a domain the model does not know.
        """
        with images.Files() as opened:
            return self._encode(self._jobs(manifest, opened), output, progress)

    @checked
    def inputs(self, manifest: Manifest) -> dict[str, NDArray[Any]]:
        """A manifest's images as inputs of the graph: "images", and maybe "domain"."""
        with images.Files() as opened:
            parts = list(self._inputs(self._jobs(manifest, opened)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _jobs(self, manifest: Manifest, opened: images.Files) -> list[Job]:
        for domain in np.unique(manifest.domain):
            self.bundle.taken_as(str(domain))

        def read(row: int) -> QueryImage:
            pixels = opened.read(manifest.source[row], manifest.root)
            return QueryImage(pixels, str(manifest.domain[row]))

        return [partial(read, row) for row in range(len(manifest))]

    def _encode(
        self, jobs: Sequence[Job], output: Output, progress: Progress | None
    ) -> NDArray[np.float32]:
        dim = vars(self.bundle)[_DIM[output]]
        found = np.empty((len(jobs), dim), dtype=np.float32)
        done = 0
        for inputs in self._inputs(jobs):
            n = len(inputs["images"])
            found[done : done + n] = self._vectors(inputs, output)[output]
            done += n
            if progress is not None:
                progress(done, len(jobs))
        return found

    def _vectors(
        self, inputs: dict[str, NDArray[Any]], *outputs: Output
    ) -> dict[Output, NDArray[np.float32]]:
        """Outputs of the graph, each as the record says: float32 (n, d), finite."""
        found = dict(zip(outputs, self._run(inputs, list(outputs)), strict=True))
        for output, x in found.items():
            n, dim = len(inputs["images"]), vars(self.bundle)[_DIM[output]]
            kind, shape = getattr(x, "dtype", type(x).__name__), np.shape(x)
            if kind != np.float32 or shape != (n, dim):
                raise self._unfit(f"{output} of {plural(n, 'picture')} are {kind} {shape}")
            if not np.isfinite(x).all():
                raise self._unfit(f"{output} are no finite numbers")
        return found

    def _try(self) -> None:
        """Runs two different pictures together and one alone: each has vectors of its own."""
        height, width = self.bundle.preprocess.resize
        shape = (2, height, width, self.bundle.preprocess.channels)
        pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        pictures[1] //= 8  # noise, and dark noise
        inputs: dict[str, NDArray[Any]] = {"images": self.bundle.preprocess(pictures)}
        if self.bundle.domain_input:
            inputs["domain"] = np.zeros(2, dtype=np.int64)
        both = self._vectors(inputs, "features", "embedding")
        alone = self._vectors({name: x[:1] for name, x in inputs.items()}, "features", "embedding")
        for output, (first, second) in both.items():
            if np.array_equal(first, second):
                raise self._unfit(f"{output} of two different pictures are the same")
            if np.linalg.norm(first - alone[output][0]) > SAME * np.linalg.norm(first):
                raise self._unfit(f"{output} of a picture depend on what is beside it")

    def _unfit(self, given: str) -> ModelError:
        return ModelError(
            f"{self.bundle.model}: {given}",
            f"each picture has features of {self.bundle.features:,} numbers and an embedding of "
            f"{self.bundle.dim:,}, whatever the rest of its batch is",
            "export the run again",
        )

    def _inputs(self, jobs: Sequence[Job]) -> Iterator[dict[str, NDArray[Any]]]:
        """What the graph takes, a batch at a time."""
        order, names = self.bundle.domain_input, self.bundle.domains
        loaded = decoded(self._load, jobs, AHEAD)
        while batch := list(islice(loaded, BATCH)):
            stack, domains = zip(*batch, strict=True)
            inputs: dict[str, NDArray[Any]] = {"images": self.bundle.preprocess(np.stack(stack))}
            if order:
                numbers = [order.index(names[domain]) for domain in domains]
                inputs["domain"] = np.array(numbers, dtype=np.int64)
            yield inputs

    def _load(self, job: Job) -> tuple[NDArray[np.uint8], str]:
        """An image before normalisation, uint8 (*resize, channels), and its domain."""
        image = job()
        pixels = image.pixels
        if self.bundle.taken_as(image.domain) == "edge" != image.domain:
            from cdim.data.edges import edge_map

            pixels = edge_map(pixels)
        return self.bundle.preprocess.load(pixels), image.domain
