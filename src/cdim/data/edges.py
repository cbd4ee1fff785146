"""Photos to edge maps: dark lines on white, like the edge maps that QMUL was released with.

Colour gradients (Di Zenzo) at one scale, thinned across the edge, then followed along it with two
thresholds (Canny), so that a faint edge stays where it continues a clear one. The settings were
chosen on the train split of the QMUL shoes and chairs by networks that had not seen the things
they were asked for; docs/lab-log.md has the numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cdim.data.strokes import DRAWING_SIZE

VERSION = 1
"""Changes whenever the same photo gives another edge map."""
SIZE = 256
"""Height and width of an edge map, in pixels."""
LOOK = 128  # pixels of the longer side while the photo's margins are sought
SIGMA = 2.0  # of the Gaussian whose derivatives are the gradients, in pixels
LOW, HIGH = 8.0, 20.0  # an edge begins above HIGH and continues above LOW, in grey values
LENGTH = 10  # pixels that an edge has at least
PEN = 0.7  # blur of the lines, in pixels

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the photo."""


def edge_map(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The edges of a photo, uint8 (h, w) or (h, w, 3), as uint8 (256, 256), dark on 255 = white.

    They are moved to the middle and scaled to fill 225 of 256 pixels, as drawings are, so that
    neither the photo's resolution nor a margin around what it shows changes much.
    """
    from scipy import ndimage

    photo = Image.fromarray(pixels).convert("RGB")
    ink = np.zeros((SIZE, SIZE), dtype=np.float32)
    box = (0.0, 0.0, float(photo.width), float(photo.height))
    for _ in range(2):  # the first look at something small is a coarse one
        box = _shown(photo, box)
    width, height = box[2] - box[0], box[3] - box[1]
    scale = DRAWING_SIZE / max(width, height)
    margin = (SIZE - DRAWING_SIZE) / 2 / scale
    around = _grown(photo, box, margin)
    found = _edges(photo, around, scale)
    left = round((around[0] - box[0] - width / 2) * scale + SIZE / 2)
    top = round((around[1] - box[1] - height / 2) * scale + SIZE / 2)
    part = ink[max(0, top) :, max(0, left) :][: len(found), : found.shape[1]]
    part[:] = found[: part.shape[0], : part.shape[1]]
    ink = ndimage.gaussian_filter(ink, PEN, mode="constant")
    return np.rint(255 - 255 * ink).astype(np.uint8)


def _shown(photo: Image.Image, box: Box) -> Box:
    """The part of a box that has edges; all of it where there are none."""
    scale = LOOK / max(box[2] - box[0], box[3] - box[1])
    around = _grown(photo, box, 2 * SIGMA / scale)
    places = np.argwhere(_edges(photo, around, scale))
    if not len(places):
        return box
    (top, left), (bottom, right) = places.min(0) / scale, (places.max(0) + 1) / scale
    return around[0] + left, around[1] + top, around[0] + right, around[1] + bottom


def _grown(photo: Image.Image, box: Box, margin: float) -> Box:
    """A box with a margin, within the photo."""
    left, top, right, bottom = box
    return (
        max(0.0, left - margin),
        max(0.0, top - margin),
        min(float(photo.width), right + margin),
        min(float(photo.height), bottom + margin),
    )


def _edges(photo: Image.Image, box: Box, scale: float) -> NDArray[np.bool_]:
    """The edges in a box of a photo, scaled."""
    width, height = box[2] - box[0], box[3] - box[1]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    part = photo.resize(size, Image.Resampling.BILINEAR, box=box)
    return _followed(*_gradients(np.asarray(part, dtype=np.float32)))


def _gradients(
    photo: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Of a photo (h, w, c): the size of the gradient (h, w) in grey values, its y and its x.

    The direction is that in which the colour changes most, the larger eigenvector of the channels'
    structure tensor.
    """
    from scipy import ndimage

    channels = np.ascontiguousarray(np.moveaxis(photo, 2, 0))
    down = ndimage.gaussian_filter(channels, (0, SIGMA, SIGMA), order=(0, 1, 0), mode="nearest")
    right = ndimage.gaussian_filter(channels, (0, SIGMA, SIGMA), order=(0, 0, 1), mode="nearest")
    yy, xx, xy = (down**2).sum(0), (right**2).sum(0), (down * right).sum(0)
    size = SIGMA * np.sqrt((yy + xx + np.hypot(yy - xx, 2 * xy)) / 2)
    angle = np.arctan2(2 * xy, xx - yy) / 2
    return size, np.sin(angle), np.cos(angle)


def _followed(
    size: NDArray[np.float32], y: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Where edges run, one pixel wide: ridges of the gradient that are clear and long enough."""
    from scipy import ndimage

    rows, columns = np.nonzero(size > LOW)
    here, y, x = (values[rows, columns] for values in (size, y, x))
    ahead, behind = (
        ndimage.map_coordinates(size, (rows + d * y, columns + d * x), order=1, mode="nearest")
        for d in (1, -1)
    )
    ridge = np.zeros(size.shape, dtype=np.bool_)
    ridge[rows, columns] = (here > ahead) & (here >= behind)
    pieces, count = ndimage.label(ridge, np.ones((3, 3)))
    clear = ndimage.maximum(size, pieces, np.arange(count + 1)) >= HIGH
    long = np.bincount(pieces.ravel(), minlength=count + 1) >= LENGTH
    followed: NDArray[np.bool_] = (clear & long)[pieces] & ridge
    return followed
