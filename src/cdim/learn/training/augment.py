"""Random changes to a batch of training images, all images at once."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's name for it)
from numpy.typing import NDArray
from torch import Tensor

from cdim.data.preprocess import Preprocess
from cdim.learn.recipes.parts import AugmentPart

WHITE = 255
NET = 7


def augment(
    stack: NDArray[np.uint8],
    group: NDArray[np.intp],
    part: AugmentPart,
    preprocess: Preprocess,
    rng: np.random.Generator,
) -> Tensor:
    """A training batch as network input: float32 (n, channels, *crop), normalised.

    Args:
        stack: images (n, *resize, channels), 0 to 255.
        group: (n,); images of one group flip together.
        part: what to do; the size of the crop and the normalisation are of `preprocess`.
        rng: the only source of chance.
    """
    n = len(stack)
    room = np.subtract(preprocess.resize, preprocess.crop, dtype=np.int64)
    corner: NDArray[np.int64] = np.tile(room // 2, (n, 1))
    if part.crop == "random":
        corner = rng.integers(0, room + 1, size=(n, 2))
    flip = (rng.random(group.max() + 1) < part.flip)[group]
    if part.rotate or part.scale or part.shift or part.elastic:
        cropped = _warp(stack, corner, flip, part, preprocess.crop, rng)
    else:
        windows = np.lib.stride_tricks.sliding_window_view(stack, preprocess.crop, axis=(1, 2))
        picked = windows[np.arange(n), corner[:, 0], corner[:, 1]]
        cropped = np.ascontiguousarray(picked.transpose(0, 2, 3, 1))
        cropped[flip] = cropped[flip, :, ::-1]
    if part.thicken:
        chosen = rng.random(n) < part.thicken
        cropped[chosen] = _thicken(cropped[chosen])
    if part.erase:
        _erase(cropped, part, preprocess.mean, rng)
    return torch.from_numpy(preprocess.normalise(cropped))


def _warp(
    stack: NDArray[np.uint8],
    corner: NDArray[np.int64],
    flip: NDArray[np.bool_],
    part: AugmentPart,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Crop, flip, affine and elastic change in one resampling, white outside the image."""
    # Where each pixel comes from is computed on a coarse net of points and interpolated: exact for
    # the affine part, smooth for the elastic one.
    n, sides = len(stack), np.array(stack.shape[1:3])
    angle = np.deg2rad(rng.uniform(-part.rotate, part.rotate, n))
    stretch = rng.uniform(1 - part.scale, 1 + part.scale, (n, 2))
    stretch[:, 1] *= np.where(flip, -1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
    shift = rng.uniform(-part.shift, part.shift, (n, 2)) * sides
    center = corner + (np.array(size) - 1) / 2 + shift
    rows, columns = (np.linspace(-(s - 1) / 2, (s - 1) / 2, NET) for s in size)
    net = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    points = net @ (rotation * stretch[:, None, :]).transpose(0, 2, 1) + center[:, None]
    points = points.reshape(n, NET, NET, 2) + sides * part.elastic * rng.normal(
        size=(n, NET, NET, 2)
    )
    scaled = torch.from_numpy(((2 * points + 1) / sides - 1)[..., ::-1].copy()).float()
    grid = F.interpolate(scaled.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=True)
    dark = (WHITE - torch.from_numpy(stack)).permute(0, 3, 1, 2).float()
    moved = F.grid_sample(dark, grid.permute(0, 2, 3, 1), mode="bilinear", align_corners=False)
    return WHITE - (moved + 0.5).byte().permute(0, 2, 3, 1).numpy()


def _thicken(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=WHITE)
    tall = np.minimum(np.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return np.minimum(np.minimum(tall[:, :, :-2], tall[:, :, 1:-1]), tall[:, :, 2:])


def _erase(
    images: NDArray[np.uint8],
    part: AugmentPart,
    colour: tuple[float, ...],
    rng: np.random.Generator,
) -> None:
    """Paints one rectangle an image, of the image's own proportions, in the mean colour."""
    n, (height, width) = len(images), images.shape[1:3]
    side = np.sqrt(rng.uniform(0, part.erase, n)) * (rng.random(n) < part.erase_chance)
    h, w = (side * height).astype(int), (side * width).astype(int)
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    rows, columns = np.arange(height), np.arange(width)
    inside_rows = (rows >= top[:, None]) & (rows < (top + h)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + w)[:, None])
    images[inside_rows[:, :, None] & inside_columns[:, None, :]] = np.round(colour)
