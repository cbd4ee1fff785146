"""Pixels to model input: one implementation for training, export and serving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdim.errors import ModelError

TAIL = 0.005
"""Share of a drawing's ink beyond each side of the box that `fill` scales."""
FAINT = 0.25
"""Share of the darkest line's darkness below which there is no ink."""
LEAST_FILL, LEAST_STD = 0.1, 0.001
MOST = 2048
"""Pixels of a side of a network's input, at most: dozens wait in memory."""
LARGEST = 4096
"""Pixels of the largest square that a drawing is laid on; what needs a larger one is shrunk."""


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes a network's input.

    The defaults are the paper's for sketches and edge maps (Sec. 3.2): grey
    images of 256 x 256, a 225 x 225 crop, the mean grey value 250.42 removed.

    Raises:
        ModelError: sizes or channels that cannot be.
    """

    # (height, width) in pixels that every image is stretched to
    resize: tuple[int, int] = (256, 256)
    # (height, width) in pixels of the network's input, at most `resize`
    crop: tuple[int, int] = (225, 225)
    channels: int = 1  # 1 (grey) or 3 (RGB)
    mean: tuple[float, ...] = (250.42,)  # a value a channel in 0 to 255, subtracted
    std: tuple[float, ...] = (1.0,)  # a value a channel, divided by; at least 0.001
    # for line drawings on white: the drawing is moved to the middle and scaled, its proportions
    # kept, so that its longer side fills this share of the image; 0 leaves images as they are. 0,
    # or 0.1 to 1.
    fill: float = 0.0

    def __post_init__(self) -> None:
        def wrong(given: str, allowed: str) -> ModelError:
            return ModelError(given, allowed, "change the [input] part of the recipe")

        if self.channels not in (1, 3):
            raise wrong(f"channels = {self.channels}", "an input has 1 channel or 3")
        if any(not 1 <= c <= r <= MOST for c, r in zip(self.crop, self.resize, strict=True)):
            raise wrong(
                f"crop {self.crop} of resize {self.resize}",
                f"a crop is at least 1 and fits inside, and sides have at most {MOST:,} pixels",
            )
        if self.fill and not LEAST_FILL <= self.fill <= 1:
            raise wrong(
                f"fill = {self.fill}", f"a drawing fills {LEAST_FILL} to 1 of the image; 0 is off"
            )
        sound = all(0 <= m <= 255 for m in self.mean) and all(s >= LEAST_STD for s in self.std)
        if not sound or not len(self.mean) == len(self.std) == self.channels:
            raise wrong(
                f"mean {self.mean} and std {self.std}",
                f"each has a value a channel, mean 0 to 255 and std at least {LEAST_STD}",
            )

    def load(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w) or (h, w, 3), filled where set, stretched to (*resize, channels)."""
        picture = Image.fromarray(image).convert("L" if self.channels == 1 else "RGB")
        height, width = self.resize
        if self.fill:
            picture = _filled(picture, self.fill)
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.uint8).reshape(height, width, self.channels)

    def center(self, stack: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The middle of a stack (n, *resize, channels) as (n, *crop, channels)."""
        top, left = ((r - c) // 2 for r, c in zip(self.resize, self.crop, strict=True))
        return stack[:, top : top + self.crop[0], left : left + self.crop[1]]

    def normalise(self, cropped: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Crops (n, h, w, channels) as network input, float32 (n, channels, h, w)."""
        mean = np.array(self.mean, dtype=np.float32)
        scale = 1 / np.array(self.std, dtype=np.float32)
        return np.ascontiguousarray(((cropped - mean) * scale).transpose(0, 3, 1, 2))

    def __call__(self, stack: NDArray[np.uint8]) -> NDArray[np.float32]:
        """A stack (n, *resize, channels) as network input, float32 (n, channels, *crop)."""
        return self.normalise(self.center(stack))


def _filled(picture: Image.Image, fill: float) -> Image.Image:
    """The square around the drawing; an empty picture stays as it is."""
    dark = 255 - np.asarray(picture.convert("L"))
    dark[dark < FAINT * dark.max()] = 0
    ends = []
    for axis in (1, 0):
        ink = dark.sum(axis, dtype=np.float64).cumsum()
        if not ink[-1]:
            return picture
        # A tail of the ink does not count, so that a speck or a strap does not set the scale.
        first, last = np.searchsorted(ink, (TAIL * ink[-1], (1 - TAIL) * ink[-1]))
        ends.append((int(first), int(last) + 1))
    (top, bottom), (left, right) = ends
    side = max(1, round(max(bottom - top, right - left) / fill))
    if side > LARGEST:  # a long thin picture would make a square beyond all memory
        width, height = (max(1, length * LARGEST // (2 * side)) for length in picture.size)
        return _filled(picture.resize((width, height), Image.Resampling.BILINEAR), fill)
    corner = (left + right - side) // 2, (top + bottom - side) // 2
    white = Image.new(picture.mode, (side, side), "white")
    white.paste(picture, (-corner[0], -corner[1]))
    return white
