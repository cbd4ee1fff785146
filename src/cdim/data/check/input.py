"""The part of `cdim.data.check.table` about images that do not fit the network's input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdim.data.check.findings import Problem
from cdim.data.check.pixels import Look, names, size_of
from cdim.data.manifest import Manifest
from cdim.errors import plural

# Factor by which height to width changes. An input of 2 : 1 allows images that are more than 1 and
# less than 4 times as high as wide: people as detectors cut them out, and no square.
OTHER_SHAPE = 2.0
# Factor by which a side is enlarged. Market-1501, 128 x 64, is enlarged twice for 256 x 128; at 4
# times, every pixel becomes 16.
SMALL = 4.0


def input_problems(
    manifest: Manifest, looks: Sequence[Look], size: tuple[int, int]
) -> Iterator[Problem]:
    """Images of another shape than the input, (height, width) in pixels, and images far smaller.

    Junk is passed over.
    """
    height, width = size
    stretch = {
        row: (height / look.shape[0], width / look.shape[1])
        for row, look in enumerate(looks)
        if look.print is not None and manifest.role[row] != "junk"
    }
    unlike = [row for row, by in stretch.items() if max(by) >= OTHER_SHAPE * min(by)]
    if unlike:
        yield Problem(
            "warning",
            "shape-unlike-input",
            f"{plural(len(unlike), 'image changes its', 'images change their')} proportions by a "
            f"factor of {OTHER_SHAPE:.0f} or more when resized to the input, {height} high and "
            f"{width} wide.",
            "What they show comes out far too slim or too broad.",
            "Cut out what is to be found, or pad the images to the input's shape; if all are so, "
            "choose an input of their shape.",
            names(manifest, unlike, [size_of(looks[row]) for row in unlike]),
        )
    small = [row for row, by in stretch.items() if max(by) >= SMALL]
    if small:
        yield Problem(
            "warning",
            "small-for-input",
            f"{plural(len(small), 'image is', 'images are')} enlarged {SMALL:.0f} times or more "
            f"to fill the input, {height} high and {width} wide.",
            "A network sees blur there that it does not see in the others.",
            "Use larger versions if there are any, leave these out, or choose a smaller input.",
            names(manifest, small, [size_of(looks[row]) for row in small]),
        )
