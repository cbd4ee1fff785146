"""Finds images that are the same, to the pixel or to the eye.

Exact copies have equal decoded pixels, whatever the file format. Near copies are
found in three steps, each ten times finer than the one before: all pairs are
compared on 8 x 8 gradients, those that pass on 16 x 16, those that pass on
32 x 32 plus colour and proportions. Everything is measured inside the box that
holds the drawing or object, so margins and one-pixel frames do not matter.
Gradients and not brightness: two boots on white have almost the same
silhouette, and only their edges tell them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
COLOUR_SIDE = 8

# Tuned on the QMUL, ChairV2 and QuickDraw images. Re-encoded, resized or cropped copies
# score 0.75 and more at 32 x 32; two different boots of the same cut reach 0.78 but differ
# by more than 12 grey levels; two different sketches of one object stay below 0.65.
COARSE, MIDDLE, FINE = 0.85, 0.72, 0.72
MAX_COLOUR_DIFFERENCE = 12.0
MAX_ASPECT_RATIO = 1.1

# A pixel this far from the background belongs to the drawing or object.
INK = 24
# With its edges in effectively fewer cells than this (of 31 x 31), a line or a plain box,
# two drawings cannot be distinguished.
MIN_EDGE_CELLS = 40
BLOCK = 2048


class Fingerprint(NamedTuple):
    """What is kept of one image for comparison, about 1.3 KB."""

    digest: bytes
    """Hash of the decoded pixels; grey stored as RGB counts as grey."""
    grey: NDArray[np.uint8]
    """(32, 32) thumbnail of the box that holds the content."""
    colour: NDArray[np.uint8]
    """(8, 8, 3) thumbnail of the same box."""
    aspect: float
    """Height over width of that box."""
    ink: float
    """Share of pixels that differ from the background, 0 to 1."""


@dataclass(frozen=True)
class Duplicates:
    """Which images of a list are the same."""

    # groups of two or more row numbers with equal pixels, each ascending
    exact: tuple[tuple[int, ...], ...]
    # `(first, second, score)` with first < second, best first; score in [0.72, 1] is the
    # correlation of their 32 x 32 gradients. Rows with equal pixels are not repeated here.
    near: tuple[tuple[int, int, float], ...]


def fingerprint(image: NDArray[np.uint8]) -> Fingerprint:
    """Summarises one image, uint8 (h, w) or (h, w, 3)."""
    if image.ndim == 3 and (image[..., :1] == image[..., 1:]).all():
        image = image[..., 0]
    digest = hashlib.blake2b(image.tobytes(), digest_size=16)
    digest.update(str(image.shape).encode())
    picture = Image.fromarray(image)
    grey = np.asarray(picture.convert("L"))
    frame = min(grey.shape) // 64
    inner = grey[frame : grey.shape[0] - frame, frame : grey.shape[1] - frame]
    background = int(np.bincount(inner.ravel(), minlength=256).argmax())
    ink = (inner < max(background - INK, 0)) | (inner > min(background + INK, 255))
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) and len(columns):
        top, bottom = int(rows[0]) + frame, int(rows[-1]) + frame + 1
        left, right = int(columns[0]) + frame, int(columns[-1]) + frame + 1
    else:
        top, bottom, left, right = 0, grey.shape[0], 0, grey.shape[1]
    content = picture.crop((left, top, right, bottom))
    box = Image.Resampling.BOX
    colour = np.asarray(content.resize((COLOUR_SIDE, COLOUR_SIDE), box))
    return Fingerprint(
        digest=digest.digest(),
        grey=np.asarray(content.convert("L").resize((SIDE, SIDE), box)),
        colour=colour if colour.ndim == 3 else np.repeat(colour[..., None], 3, axis=2),
        aspect=(bottom - top) / (right - left),
        ink=float(ink.mean()),
    )


def find(prints: Sequence[Fingerprint]) -> Duplicates:
    """Every exact and near copy among n images.

    Compares all pairs: about half a minute for 70,000 images on one core. Memory is
    about 1 KB an image besides the fingerprints.

    Blank images and drawings of a few straight lines are left out of the near copies:
    nothing in them tells one from another.
    """
    groups: dict[bytes, list[int]] = {}
    for row, item in enumerate(prints):
        groups.setdefault(item.digest, []).append(row)
    exact = tuple(tuple(rows) for rows in groups.values() if len(rows) > 1)
    alone = np.array([rows[0] for rows in groups.values()], dtype=np.intp)
    grey = np.array([prints[i].grey for i in alone]).reshape(-1, SIDE, SIDE)
    telling = _edge_cells(grey) >= MIN_EDGE_CELLS
    alone, grey = alone[telling], grey[telling]
    if len(alone) < 2:
        return Duplicates(exact, ())
    colour = np.array([prints[i].colour for i in alone], dtype=np.int16)
    aspect = np.log([prints[i].aspect for i in alone])
    near = []
    for first, second in _similar(grey):
        score = _agreement(grey, first, second)
        keep = (
            (score >= FINE)
            & (np.abs(aspect[first] - aspect[second]) <= np.log(MAX_ASPECT_RATIO))
            & (np.abs(colour[first] - colour[second]).mean((1, 2, 3)) <= MAX_COLOUR_DIFFERENCE)
        )
        pairs = zip(alone[first[keep]], alone[second[keep]], score[keep], strict=True)
        near += [(int(a), int(b), min(float(s), 1.0)) for a, b, s in pairs]
    near.sort(key=lambda pair: (-pair[2], pair[:2]))
    return Duplicates(exact, tuple(near))


def _edge_cells(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Effective number of cells with an edge (n,): (sum e)^2 / sum e^2 of edge energy e."""
    cells = np.empty(len(grey))
    for start in range(0, len(grey), BLOCK):
        part = grey[start : start + BLOCK]
        energy = (_steps(part) ** 2).sum(axis=-1, dtype=np.float64).reshape(len(part), -1)
        square = np.maximum((energy**2).sum(axis=1), 1e-9)
        cells[start : start + BLOCK] = energy.sum(axis=1) ** 2 / square
    return cells


def _similar(grey: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs (first < second) whose 8 x 8 and 16 x 16 gradients agree, a block at a time."""
    coarse, middle = _gradients(_halved(_halved(grey))), _gradients(_halved(grey))
    for start in range(0, len(grey), BLOCK):
        rows = coarse[start : start + BLOCK]
        for other in range(start, len(grey), BLOCK):
            columns = coarse[other : other + BLOCK]
            first, second = np.nonzero(rows @ columns.T >= COARSE)
            first, second = first + start, second + other
            ordered = first < second
            first, second = first[ordered], second[ordered]
            for part in range(0, len(first), 8 * BLOCK):
                a, b = first[part : part + 8 * BLOCK], second[part : part + 8 * BLOCK]
                keep = np.einsum("ij,ij->i", middle[a], middle[b]) >= MIDDLE
                yield a[keep], b[keep]


def _agreement(
    grey: NDArray[np.uint8], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.float32]:
    score = np.empty(len(first), dtype=np.float32)
    for part in range(0, len(first), BLOCK):
        here = slice(part, part + BLOCK)
        a, b = _gradients(grey[first[here]]), _gradients(grey[second[here]])
        score[here] = np.einsum("ij,ij->i", a, b)
    return score


def _halved(images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    n, side, _ = images.shape
    half = side // 2
    return np.asarray(images.reshape(n, half, 2, half, 2).mean(axis=(2, 4), dtype=np.float32))


def _steps(images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Differences to the pixel below and to the right: (n, s, s) -> (n, s - 1, s - 1, 2)."""
    values = images.astype(np.float32)
    down = np.diff(values, axis=1)[:, :, :-1]
    right = np.diff(values, axis=2)[:, :-1]
    return np.stack([down, right], axis=-1)


def _gradients(images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors (n, 2 (s - 1)^2) whose dot products are correlations of gradients."""
    flat = _steps(images).reshape(len(images), 2 * (images.shape[1] - 1) ** 2)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(length, 1e-6), dtype=np.float32)
