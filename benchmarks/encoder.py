"""OpenVINO against ONNX Runtime on one bundle: python benchmarks/encoder.py BUNDLE.

Both encode the same made-up images, decoded beforehand, in turns; printed are the medians of
images a second and the median of the turns' ratios.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from cdim.bundles.bundle import load_bundle
from cdim.bundles.encoder import Encoder
from cdim.data.synthetic import dataset

IMAGES, TURNS = 128, 7


def main(place: str) -> None:
    """Prints both speeds and their ratio."""
    made = load_bundle(place)
    rows = dataset.manifest(IMAGES).where(role="query")
    pixels = [dataset.render(str(source)) for source in rows.source]
    engines = {name: Encoder(made, name) for name in ("onnxruntime", "openvino")}
    vectors = {n: e.encode_pixels(pixels[:8], made.query) for n, e in engines.items()}  # warm
    apart = float(np.abs(vectors["onnxruntime"] - vectors["openvino"]).max())
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(TURNS):
        for name, engine in engines.items():
            start = time.perf_counter()
            engine.encode_pixels(pixels, made.query)
            speeds[name].append(len(pixels) / (time.perf_counter() - start))
    ratios = [b / a for a, b in zip(*speeds.values(), strict=True)]
    for name, values in speeds.items():
        print(f"{name:<12} {statistics.median(values):8.1f} images a second")
    print(f"openvino / onnxruntime: {statistics.median(ratios):.2f}  (vectors {apart:.1e} apart)")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "default")
