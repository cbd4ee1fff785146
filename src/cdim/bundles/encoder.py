"""A bundle at work: images in, vectors out, on ONNX Runtime or OpenVINO. No PyTorch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cdim.bundles import engines
from cdim.bundles.bundle import Bundle, check_whole, load_bundle
from cdim.data import images
from cdim.data.content import listed, pixels
from cdim.data.manifest import Manifest
from cdim.errors import UsageError

BATCH = 32
AHEAD = 3  # batches that are decoded while one is in the network

Progress = Callable[[int, int], None]
Job = tuple[Callable[[], NDArray[np.uint8]], str]
"""How to read an image, and its domain."""
Output = Literal["embedding", "features"]


class Encoder:
    """Turns images into vectors, in batches, decoding the next while one is in the network.

    Safe to use from several threads.

    Args:
        bundle: what to run: a bundle's folder, the name of one that comes with cdim, or the bundle.
        engine: "onnxruntime", "openvino" (extra `cdim[openvino]`), or
            "auto": OpenVINO where it is installed. `Encoder.engine` says which.

    Raises:
        ModelError: no bundle there, or a damaged one.
        MissingExtra: OpenVINO was asked for and is not installed.
        UsageError: an unknown engine.
    """

    def __init__(self, bundle: str | Path | Bundle, engine: str = "auto") -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        check_whole(self.bundle)
        self.engine, self._run = engines.start(self.bundle, engine)

    @property
    def seed(self) -> int | None:
        """The seed the model was trained with."""
        return self.bundle.seed

    def encode(
        self,
        source: Any,
        domain: str | None = None,
        *,
        output: Output = "embedding",
        progress: bool | Progress = False,
    ) -> NDArray[np.float32]:
        """Vectors of images.

        Args:
            source: a path, bytes of an image file, a PIL image or a uint8 array (h, w) or
                (h, w, 3); a list of these; or a folder: all images in it and below, by name.
            domain: one of `bundle.domains`; by default that of queries.
            output: "embedding", compared by `bundle.distance`, or "features", the fused vector
                before any projection.
            progress: True for a bar on the terminal, or a function of (done, all).

        Returns:
            float32 (n, d), d = `bundle.dim` or `bundle.features`.

        Raises:
            ImageError: an image cannot be read; names it.
            ModelError: a domain the model does not know.
            UsageError: no image, or something that is none.
        """
        if output not in ("embedding", "features"):
            raise UsageError(
                f"output {output!r}", "it is embedding or features", "choose one of them"
            )
        given = list(listed(source))
        if not given:
            raise UsageError("no image to encode", "at least one is needed", "name an image")
        domain = self.bundle.query if domain is None else domain
        self.bundle.taken_as(domain)
        if progress is True:
            from tqdm import tqdm

            with tqdm(total=len(given), unit=" images") as bar:

                def show(done: int, _total: int) -> None:
                    bar.update(done - bar.n)

                return self.encode(given, domain, output=output, progress=show)
        with ExitStack() as closing:
            opened = images.Files(closing)
            return self._encode(
                [(partial(pixels, image, opened), domain) for image in given],
                output,
                progress or None,
            )

    def encode_query(self, source: Any, **options: Any) -> NDArray[np.float32]:
        """As `encode`, for what people search with (`bundle.query`)."""
        return self.encode(source, self.bundle.query, **options)

    def encode_gallery(self, source: Any, **options: Any) -> NDArray[np.float32]:
        """As `encode`, for what people search in (`bundle.gallery`)."""
        return self.encode(source, self.bundle.gallery, **options)

    def encode_pixels(
        self, pixels: Sequence[NDArray[np.uint8]], domain: str
    ) -> NDArray[np.float32]:
        """Embeddings (n, dim) of images that are decoded already.

        Raises:
            ModelError: a domain the model does not know.
        """
        self.bundle.taken_as(domain)
        return self._encode([(partial(np.asarray, p), domain) for p in pixels], "embedding", None)

    def embed(
        self,
        manifest: Manifest,
        progress: Progress | None = None,
        output: Output = "embedding",
    ) -> NDArray[np.float32]:
        """Vectors (n, d) of a manifest's images, each as its column `domain` says.

        Raises:
            ImageError: an image cannot be read.
            ModelError: a domain the model does not know.
        """
        with ExitStack() as closing:
            return self._encode(self._jobs(manifest, closing), output, progress)

    def inputs(self, manifest: Manifest) -> dict[str, NDArray[Any]]:
        """All of a manifest's images as the graph takes them: "images", and maybe "domain"."""
        with ExitStack() as closing:
            parts = list(self._inputs(self._jobs(manifest, closing)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _jobs(self, manifest: Manifest, closing: ExitStack) -> list[Job]:
        for domain in np.unique(manifest.domain):
            self.bundle.taken_as(str(domain))
        opened = images.Files(closing)
        return [
            (partial(opened.read, source, manifest.root), str(domain))
            for source, domain in zip(manifest.source, manifest.domain, strict=True)
        ]

    def prepare(self, pixels: NDArray[np.uint8], domain: str) -> NDArray[np.uint8]:
        """One image as the graph's input before normalisation, uint8 (*resize, channels)."""
        if domain != "edge" and self.bundle.taken_as(domain) == "edge":
            from cdim.data.edges import edge_map

            pixels = edge_map(pixels)
        return self.bundle.preprocess.load(pixels)

    def _encode(
        self,
        jobs: Sequence[Job],
        output: Output,
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        dim = self.bundle.dim if output == "embedding" else self.bundle.features
        found = np.empty((len(jobs), dim), dtype=np.float32)
        done = 0
        for inputs in self._inputs(jobs):
            n = len(inputs["images"])
            found[done : done + n] = self._run(inputs, output)
            done += n
            if progress is not None:
                progress(done, len(jobs))
        return found

    def _inputs(self, jobs: Sequence[Job]) -> Iterator[dict[str, NDArray[Any]]]:
        """What the graph takes, a batch at a time."""
        order, names = self.bundle.domain_input, self.bundle.domains
        for stack, domains in self._batches(jobs):
            inputs: dict[str, NDArray[Any]] = {"images": self.bundle.preprocess(stack)}
            if order:
                inputs["domain"] = np.array(
                    [order.index(names[d]) for d in domains], dtype=np.int64
                )
            yield inputs

    def _batches(self, jobs: Sequence[Job]) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
        """Prepared images a batch at a time, the next ones on their way."""
        with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1)) as pool:
            waiting: deque[list[Future[NDArray[np.uint8]]]] = deque()
            starts = iter(range(0, len(jobs), BATCH))

            def submit() -> None:
                for start in starts:
                    waiting.append(
                        [pool.submit(self._load, *job) for job in jobs[start : start + BATCH]]
                    )
                    return

            for _ in range(AHEAD):
                submit()
            first = 0
            try:
                while waiting:
                    stack = np.stack([future.result() for future in waiting.popleft()])
                    submit()
                    yield stack, [domain for _, domain in jobs[first : first + len(stack)]]
                    first += len(stack)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _load(self, read: Callable[[], NDArray[np.uint8]], domain: str) -> NDArray[np.uint8]:
        return self.prepare(read(), domain)
