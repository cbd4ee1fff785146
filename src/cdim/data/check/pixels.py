"""The part of `cdim.data.check.table` that reads every image once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdim.data import images
from cdim.data.check.duplicates import Fingerprint, fingerprint
from cdim.data.check.findings import Problem
from cdim.data.decoding import decoded
from cdim.data.files import read_bytes
from cdim.data.formats import open_image
from cdim.data.manifest import Manifest, Source
from cdim.errors import ImageError, plural

Progress = Callable[[int, int], None]

TINY_SIDE = 32
LONGEST_SHAPE = 4.0
# 33 of 256 x 256 pixels: a dot.
LEAST_INK = 0.0005
# Grey levels: such a dot, black on white, has 5.7. A dark photo may have no ink and yet have 15.
LEAST_DEVIATION = 6.0
# Images of each domain whose files are opened once more, to see whether they have alpha.
ALPHA_SAMPLE = 20
UNFRAME = "@frame"
_STEP = 64  # images between two reports of progress


class Look(NamedTuple):
    """The content of one image; `print` is None if it could not be read.

    `format` is Pillow's name of the file's format, `frames` its number of frames or pages.
    """

    print: Fingerprint | None = None
    shape: tuple[int, ...] = ()
    blank: bool = False
    framed: bool = False
    missing: bool = False
    fault: str = ""
    format: str = ""
    frames: int = 1


def look_at(manifest: Manifest, progress: Progress | None = None) -> list[Look]:
    """Reads all n images, by threads; unreadable ones are noted, not raised.

    `progress` is called with (images done, n) now and then.
    """
    looks: list[Look] = []
    with images.Files(enough=0) as opened:
        look = partial(_look, opened, manifest.root)
        for seen in decoded(look, manifest.source, 4 * _STEP):
            looks.append(seen)
            if progress is not None and (len(looks) % _STEP == 0 or len(looks) == len(manifest)):
                progress(len(looks), len(manifest))
    return looks


def pixel_problems(manifest: Manifest, looks: Sequence[Look]) -> Iterator[Problem]:
    """Images that are missing, damaged, blank, tiny, oddly shaped, framed or with alpha."""
    yield from _unreadable(manifest, looks)
    good = [row for row, look in enumerate(looks) if look.print is not None]
    yield from _unusual(manifest, looks, good)
    for domain in dict.fromkeys(manifest.domain.tolist()):
        rows = [row for row in good if manifest.domain[row] == domain]
        yield from _framed(manifest, domain, [row for row in rows if looks[row].framed], len(rows))
        yield from _alpha(manifest, domain, rows)


def names(manifest: Manifest, rows: Sequence[int], notes: Sequence[str] = ()) -> list[str]:
    """Some rows for people, each with its note."""
    tails = [f": {note}" for note in notes] or [""] * len(rows)
    return [named(manifest, row) + tail for row, tail in zip(rows, tails, strict=True)]


def named(manifest: Manifest, row: int) -> str:
    """One row for people: split, domain, file (or number, if it has none) and instance."""
    source, instance = manifest.source[row], str(manifest.instance[row])
    file = source.removesuffix(UNFRAME) if isinstance(source, str) else f"row {row}"
    file = file.partition(".zip!")[2] or file
    words = (str(manifest.split[row]), str(manifest.domain[row]), file)
    tail = "" if instance in file else f" ({instance})"
    return " ".join(word for word in words if word) + tail


def container(source: Source, root: Path) -> Path | None:
    """The file on disk that holds an image; None for arrays and made-up images."""
    if not isinstance(source, str) or source.startswith("synthetic:"):
        return None
    return images.place(source, root).path


def _look(files: images.Files, root: Path, source: Source) -> Look:
    try:
        image = files.read(source, root)
        framed = isinstance(source, str) and source.endswith(UNFRAME)
        raw = files.read(source[: -len(UNFRAME)], root) if framed else image
    except ImageError as error:
        file = container(source, root)
        return Look(missing=file is not None and not file.exists(), fault=error.given)
    seen = fingerprint(image)
    blank = seen.ink < LEAST_INK and bool((image.std(axis=(0, 1)) < LEAST_DEVIATION).all())
    kind, frames = _kind(files.content(source, root))
    return Look(seen, image.shape, blank, _has_frame(raw), format=kind, frames=frames)


def _kind(data: bytes) -> tuple[str, int]:
    """The format of an image file, and its number of frames or pages."""
    damage = (OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError)
    with suppress(*damage), open_image(data) as image:
        # The further pictures of an MPO are a photo's depth or preview.
        several = image.format not in ("JPEG", "MPO")
        return image.format or "", getattr(image, "n_frames", 1) if several else 1
    return "", 1


def _has_frame(image: NDArray[np.uint8]) -> bool:
    """Whether the outermost pixels are a line of their own around an even margin."""
    if min(image.shape[:2]) < TINY_SIDE:
        return False
    inner = _edge(image[2:-2, 2:-2])
    usual = np.median(inner)
    if np.mean(np.abs(inner - usual) <= 2) <= 0.9:
        return False
    return bool(np.mean(np.abs(_edge(image) - usual) >= 8) > 0.9)


def _edge(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Grey levels of the outermost pixels."""
    strips = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(np.float64)
    return strips if strips.ndim == 1 else np.asarray(strips.mean(axis=1))


def _unreadable(manifest: Manifest, looks: Sequence[Look]) -> Iterator[Problem]:
    missing = [row for row, look in enumerate(looks) if look.missing]
    if missing:
        yield Problem(
            "error",
            "missing-file",
            f"{plural(len(missing), 'image')} of {len(looks):,} cannot be found.",
            "Training and evaluation stop at the first image they cannot read.",
            "Check the paths and the folder they start at, fetch the set again, or remove the "
            "rows.",
            names(manifest, missing),
        )
    damaged = [row for row, look in enumerate(looks) if look.print is None and not look.missing]
    if damaged:
        yield Problem(
            "error",
            "unreadable-image",
            f"{plural(len(damaged), 'image')} of {len(looks):,} cannot be read.",
            "Damaged, truncated or unsafe files stop training and evaluation.",
            "Fetch or save these files again, or remove the rows.",
            names(manifest, damaged, [looks[row].fault for row in damaged]),
        )


def _unusual(manifest: Manifest, looks: Sequence[Look], good: Sequence[int]) -> Iterator[Problem]:
    blank = [row for row in good if looks[row].blank]
    if blank:
        yield Problem(
            "warning",
            "blank-image",
            f"{plural(len(blank), 'image is', 'images are')} blank, or have hardly anything on "
            "them.",
            "Nothing can be found by an empty image, and all of them look the same.",
            "Look at them; draw or fetch them again, or remove the rows.",
            names(manifest, blank),
        )
    sides = {row: looks[row].shape[:2] for row in good}
    tiny = [row for row in good if min(sides[row]) < TINY_SIDE]
    if tiny:
        yield Problem(
            "warning",
            "tiny-image",
            f"{plural(len(tiny), 'image has', 'images have')} a side below {TINY_SIDE} pixels.",
            "They are blown up to the size the network sees: mostly blur.",
            "Use larger versions if there are any; thumbnails and icons often slip in.",
            names(manifest, tiny, [size_of(looks[row]) for row in tiny]),
        )
    long = [row for row in good if max(sides[row]) > LONGEST_SHAPE * min(sides[row])]
    if long:
        yield Problem(
            "warning",
            "extreme-shape",
            f"{plural(len(long), 'image is', 'images are')} more than {LONGEST_SHAPE:.0f} times "
            "as long as wide.",
            "Images are resized to the network's shape; these come out distorted.",
            "Crop them, or pad them to a square.",
            names(manifest, long, [size_of(looks[row]) for row in long]),
        )


def _framed(
    manifest: Manifest, domain: str, framed: Sequence[int], images_in_all: int
) -> Iterator[Problem]:
    if not framed:
        return
    removed = [str(manifest.source[row]).endswith(UNFRAME) for row in framed]
    yield Problem(
        "info" if all(removed) else "warning",
        "grey-frame",
        f"{len(framed):,} of {images_in_all:,} {domain} images have a frame of one pixel around "
        "them, which is no part of what they show.",
        "To a network or to HOG it is a strong edge, the same on every image: it tells this "
        "domain from the other and says nothing of the instance.",
        "Nothing: cdim paints it over when it reads this set. Other programs may not."
        if all(removed)
        else "Paint the outermost pixels in the background's colour "
        "(for .mat files: end the locators in @frame).",
        names(manifest, framed[:2]),
        len(framed),
    )


def _alpha(manifest: Manifest, domain: str, rows: Sequence[int]) -> Iterator[Problem]:
    if not rows:
        return
    spread = np.linspace(0, len(rows) - 1, ALPHA_SAMPLE, dtype=int)
    picked = [rows[i] for i in dict.fromkeys(spread.tolist())]
    least = {row: _least_alpha(manifest.source[row], manifest.root) for row in picked}
    found = [row for row in picked if least[row] is not None]
    if found:
        used = sum((least[row] or 0) < 255 for row in found)
        yield Problem(
            "info",
            "alpha-channel",
            f"{len(found)} of {len(picked)} {domain} images looked at have an alpha channel; in "
            f"{used or 'none'} of them parts are transparent.",
            "Programs that expect three channels fail on four, and those that drop the alpha "
            "channel show whatever lies beneath, often black.",
            "Nothing: cdim puts them on white. Make sure that other programs do, too.",
            names(manifest, found[:2]),
            len(found),
        )


def _least_alpha(source: Source, root: Path) -> int | None:
    """The least opaque pixel of an image file, 0 to 255; None if it has no alpha channel."""
    if not isinstance(source, str) or source.startswith("synthetic:"):
        return None
    file, member, key, *_ = images.place(source, root)
    if key:
        return None
    try:
        data = read_bytes(file, member, images.MAX_BYTES)
        with open_image(data) as image:
            if not image.has_transparency_data:
                return None
            return int(np.asarray(image.convert("RGBA"))[..., 3].min())
    except (ImageError, OSError, ValueError):
        # It was readable a moment ago: the set is being changed, and this is a note only.
        return None


def size_of(look: Look) -> str:
    """Width and height, for people."""
    return f"{look.shape[1]} x {look.shape[0]} pixels"
