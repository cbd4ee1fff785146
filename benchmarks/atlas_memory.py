"""Memory of `cdim atlas`: every block of ResNet-50 at 224 pixels on 1,000 made-up images.

    python benchmarks/atlas_memory.py [--images 1000] [--backbone resnet50] [--treatment pairs]

Weights are random: they do not change what is kept. Descriptors go to a temporary folder, about
6 GB for 1,000 images. Prints the largest resident memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import tomli_w

from cdim.learn.atlas.survey import AtlasOptions, survey


def main() -> None:
    """Makes the atlas and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--treatment", action="append")
    asked = parser.parse_args()
    recipe = {
        "name": asked.backbone,
        "data": {"train": [f"synthetic:{asked.images}"]},
        "input": {
            "resize": [232, 232],
            "crop": [224, 224],
            "channels": 3,
            "mean": [123.675, 116.28, 103.53],
            "std": [58.395, 57.12, 57.375],
        },
        "model": {"backbone": asked.backbone},
    }
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "recipe.toml"
        path.write_text(tomli_w.dumps(recipe), encoding="utf-8")
        wanted = AtlasOptions(treatments=tuple(asked.treatment or ()), instances=asked.images // 2)
        start = time.monotonic()

        def show(what: str, done: int, total: int) -> None:
            if done == total:
                print(f"{what}: {time.monotonic() - start:.0f} s, {_peak():.2f} GB")

        atlas = survey(path, recipe["data"]["train"], Path(place) / "atlas", wanted, progress=show)
    print(
        f"{len(atlas.cells)} cells of {len(atlas.layers)} layers, {atlas.images} images: "
        f"{time.monotonic() - start:.0f} s, peak {_peak():.2f} GB"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
